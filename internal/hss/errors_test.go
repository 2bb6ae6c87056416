package hss

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestFaultShapes(t *testing.T) {
	for body, want := range map[string]fault{
		`{"error_code":"HSS.1005","error_description":"d","error_msg":"m"}`:                   {code: "HSS.1005", message: "m", known: true},
		`{"error_code":"00000010","error_description":"拒绝访问"}`:                                {code: "00000010", message: "拒绝访问", known: true},
		`{"error_msg":"m","error_code":"APIGW.0301","request_id":"r"}`:                        {code: "APIGW.0301", message: "m", requestID: "r", known: true},
		`{"error":{"code":401,"message":"m","title":"Unauthorized"}}`:                         {code: "401", message: "m", known: true},
		`{"error":{"code":"IAM.0101","title":"Unauthorized","request_id":"r"}}`:               {code: "IAM.0101", message: "Unauthorized", requestID: "r", known: true},
		`{"error_code":1007,"error_description":"d"}`:                                         {code: "1007", message: "d", known: true},
		`{"error_code":"X.1","error_msg":"m","encoded_authorization_message":"secret stuff"}`: {code: "X.1", message: "m", known: true},
		`{"code":"X","message":"m","details":[]}`:                                             {code: "X", message: "m", odd: true},
		`{"errorCode":"X.1","errorMsg":"m"}`:                                                  {code: "X.1", message: "m", odd: true},
		`{"errorCode":"X.1","errorMessage":"m"}`:                                              {code: "X.1", message: "m", odd: true},
		`{"errorCode":0,"errorMsg":"success"}`:                                                {},
		`{"error":{"error_code":"X.1","error_msg":"m"}}`:                                      {code: "X.1", message: "m", known: true},
		`{"error":"invalid_request"}`:                                                         {message: "invalid_request", odd: true},
		`{"error_msg":"m"}`:                                                                   {message: "m", odd: true},
		`{"error_code":0,"error_description":"success"}`:                                      {message: "success"},
		`{"error_code":0.0}`:                                                                  {},
		`{"error_code":""}`:                                                                   {},
		`{"error_code":[]}`:                                                                   {odd: true},
		`{"total_num":1,"data_list":[{"error_code":"x"}]}`:                                    {},
		`[{"error_code":"x"}]`:                                                                {},
		`null`:                                                                                {},
		`<html>`:                                                                              {},
		``:                                                                                    {},
	} {
		if got := readFault([]byte(body)); got != want {
			t.Errorf("%s\n got %+v\nwant %+v", body, got, want)
		}
	}
}

func FuzzFault(f *testing.F) {
	f.Add([]byte(`{"error_code":"HSS.1005","error_msg":"m"}`), 400)
	f.Add([]byte(`{"error":{"code":401,"message":"m"}}`), 401)
	f.Add([]byte(`{"error_code":1e999,"code":{},"error":[]}`), 200)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		fault := readFault(body)
		class := classify(status, fault, 0, true)
		if class == "" || class.phrase() == string(class) && class != ClassRefused && class != ClassThrottled {
			t.Fatalf("no class for %d %+v", status, fault)
		}
		if (status < 400 || status >= 500) && status != 200 && class != ClassUnclear {
			t.Fatalf("%d is %s", status, class)
		}
		if fault.known && !json.Valid(body) {
			t.Fatalf("an error read from no JSON: %q", body)
		}
		if got := scrub(fault.message, []string{"SKEXAMPLE"}); utf8.RuneCountInString(got) > maxMessage+2 || strings.Contains(got, "SKEXAMPLE") {
			t.Fatalf("scrubbed to %q", got)
		}
	})
}

func TestThrottleText(t *testing.T) {
	for text, want := range map[string]Throttle{
		"policy user over ratelimit,limit:200,time:5 minute":                                        {200, 5 * time.Minute},
		"The throttling threshold has been reached: policy ip over ratelimit,limit:5,time:1 minute": {5, time.Minute},
		"limit: 10, time: 30 seconds":                                                               {10, 30 * time.Second},
		"LIMIT:1,TIME:2 Hour":                                                                       {1, 2 * time.Hour},
		"limit:1,time:1 day":                                                                        {1, 24 * time.Hour},
		"ratelimit:x,limit:7,time:1 minute":                                                         {7, time.Minute},
		"limit:0,time:1 minute":                                                                     {},
		"limit:5,time:0 minute":                                                                     {},
		"limit:5,time:1 fortnight":                                                                  {},
		"limit:5":                                                                                   {},
		"limit:99999999999999999,time:1 minute":                                                     {},
		"limit:-5,time:1 minute":                                                                    {},
		"":                                                                                          {},
	} {
		if got := parseThrottle(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func FuzzThrottle(f *testing.F) {
	f.Add("policy user over ratelimit,limit:200,time:5 minute")
	f.Add("limit:limit:1time:time:1s")
	f.Fuzz(func(t *testing.T, text string) {
		got := parseThrottle(text)
		if (got.Limit > 0) != (got.Per > 0) || got.Limit < 0 || got.Per < 0 {
			t.Fatalf("%q: %v", text, got)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	server := now.Add(time.Hour) // the server's clock is an hour ahead
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"-5":                            0,
		"17":                            17 * time.Second,
		" 17 ":                          17 * time.Second,
		"86400":                         24 * time.Hour,
		"9223372036854775807":           24 * time.Hour,
		"1.5":                           0,
		"soon":                          0,
		"Fri, 02 Jan 2026 04:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 04:00:00 GMT": 0,
		"Fri, 02 Jan 2099 04:00:00 GMT": 24 * time.Hour,
	} {
		if got := parseRetryAfter(http.Header{"Retry-After": {value}}, server, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
	if got := parseRetryAfter(http.Header{"Retry-After": {"Fri, 02 Jan 2026 03:04:35 GMT"}}, time.Time{}, now); got != 30*time.Second {
		t.Errorf("without a Date: %v", got)
	}
}

func TestErrorTextTellsWhatHappened(t *testing.T) {
	e := &Error{Op: OpSetRaspSwitch, Class: ClassRefused, Status: 400, Code: "HSS.1007", Message: "agent offline", RequestID: "r1"}
	if got, want := e.Error(), "SetRaspSwitch: refused, HTTP 400 HSS.1007: agent offline (request ID r1)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
