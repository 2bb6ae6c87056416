package hsstest

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// throttle takes one call from the caller's and the address's allowance for
// this API, or answers as the gateway does. A refused call costs nothing.
func (c *call) throttle() *answer {
	s := c.s
	if s.cfg.Limit <= 0 {
		return nil
	}
	address, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		address = c.r.RemoteAddr
	}
	buckets := [2]struct{ policy, key string }{
		{"user", c.route.op + " user " + c.caller.user.Account + "/" + c.caller.user.Name},
		{"ip", c.route.op + " ip " + address},
	}
	for _, b := range buckets {
		recent := s.windows[b.key]
		for len(recent) > 0 && c.now.Sub(recent[0]) >= s.cfg.Per {
			recent = recent[1:]
		}
		s.windows[b.key] = recent
		if len(recent) >= s.cfg.Limit {
			return c.gateway(http.StatusTooManyRequests, "0308", s.throttleText(b.policy))
		}
	}
	for _, b := range buckets {
		s.windows[b.key] = append(s.windows[b.key], c.now)
	}
	return nil
}

// throttleText words the policy: "limit:N,time:M unit".
func (s *Simulator) throttleText(policy string) string {
	limit := s.cfg.Limit
	if limit <= 0 {
		limit = 5 // what HSS documents; a fault may ask for a 429 anyway
	}
	unit, name := time.Second, "second"
	switch {
	case s.cfg.Per%(24*time.Hour) == 0:
		unit, name = 24*time.Hour, "day"
	case s.cfg.Per%time.Hour == 0:
		unit, name = time.Hour, "hour"
	case s.cfg.Per%time.Minute == 0:
		unit, name = time.Minute, "minute"
	}
	return fmt.Sprintf("The throttling threshold has been reached: policy %s over ratelimit,limit:%d,time:%d %s",
		policy, limit, max(1, s.cfg.Per/unit), name)
}
