package apply

import "context"

// fireTimers plans and confirms what timers that are due ask for, so that it is
// carried out like any other change. It looks with every round of the runner; the
// store makes sure that each fires once, whoever else looks.
func (r *Runner) fireTimers(ctx context.Context) {
	for ctx.Err() == nil {
		fired, err := r.Store.FireTimer(ctx)
		if err != nil && ctx.Err() == nil {
			r.logger().Error("a timer could not fire; it is tried again", "err", err)
		}
		if err != nil || !fired {
			return
		}
		r.logger().Info("a timer was due")
	}
}
