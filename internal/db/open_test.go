package db_test

import (
	"context"
	"testing"

	"wtp-console/internal/db"
	"wtp-console/internal/db/dbtest"
)

func TestOpen(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func() *db.Store) {
		s := open()
		if err := s.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}
