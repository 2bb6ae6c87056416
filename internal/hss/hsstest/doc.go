// Package hsstest simulates Huawei Cloud HSS v5 (Web Tamper Protection) and
// the two IAM calls that go with it, over real HTTP.
//
// It is written from the vendor's description of the API and never imports the
// client in internal/hss, so that a mistake made in one is seen by the other.
// It verifies signatures, tokens, clocks, projects and every documented range,
// keeps the state of a fleet, throttles, and misbehaves when told to (see
// [Fault]). What a client did, and what it did wrong, is kept as evidence (see
// [Simulator.Requests] and [Simulator.Violations]).
//
// The simulator serves the tests, the demo and "web simulate"; any other HSS
// client may be pointed at it. docs/simulator.md says how.
package hsstest
