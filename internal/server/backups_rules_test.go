package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"wtp-console/internal/wtp"
)

// backupRow is one value of one field of the form: refused beside that field, or
// taken as shown.
type backupRow struct{ field, value, shown string }

const refused = "\x00"

func long(n int) string { return strings.Repeat("a", n) }

func backupRows() []backupRow {
	return []backupRow{
		{"port", "", refused}, {"port", "-1", refused}, {"port", "0", refused}, {"port", "00", refused}, {"port", "1", "1"},
		{"port", "22", "22"}, {"port", " 22 ", "22"}, {"port", "8080", "8080"}, {"port", "65535", "65535"}, {"port", "65536", refused},
		{"port", "70000", refused}, {"port", "99999999999999999999", refused}, {"port", "1e3", refused}, {"port", "1.0", refused},
		{"port", "０８０", refused}, {"port", "٨٠", refused}, {"port", "08", refused}, {"port", "+22", refused}, {"port", "0x16", refused},
		{"port", "2 2", refused}, {"port", "22\n", refused}, {"port", "22;", refused}, {"port", "ssh", refused}, {"port", "1,000", refused},

		{"ip", "", refused}, {"ip", "10.36.0.31", "10.36.0.31"}, {"ip", " 10.36.0.31 ", "10.36.0.31"}, {"ip", "192.168.0.1", "192.168.0.1"},
		{"ip", "010.0.0.1", refused}, {"ip", "2130706433", refused}, {"ip", "127.1", refused}, {"ip", "127.0.0.1", refused},
		{"ip", "0.0.0.0", refused}, {"ip", "255.255.255.255", refused}, {"ip", "224.0.0.1", refused}, {"ip", "169.254.169.254", refused},
		{"ip", "1.2.3.4/24", refused}, {"ip", "1.2.3", refused}, {"ip", "1.2.3.4.5", refused}, {"ip", "1.2.3.256", refused},
		{"ip", "0x7f.0.0.1", refused}, {"ip", "1.2.3.4:80", refused}, {"ip", "１.2.3.4", refused}, {"ip", "host.example", refused},
		{"ip", "2001:db8::1", "2001:db8::1"}, {"ip", "2001:DB8::1", "2001:DB8::1"}, {"ip", "[2001:db8::1]", refused},
		{"ip", "2001:db8::1/64", refused}, {"ip", "fe80::1", refused}, {"ip", "fe80::1%eth0", refused}, {"ip", "2001:db8::1%1", refused},
		{"ip", "::1", refused}, {"ip", "::", refused}, {"ip", "ff02::1", refused}, {"ip", "::ffff:10.0.0.1", refused},
		{"ip", "::ffff:127.0.0.1", refused}, {"ip", "1.2.3.4\n", refused}, {"ip", "1.2.3.4\x00", refused}, {"ip", "1.2.3.4 x", refused}, {"ip", "$(id)", refused},

		{"dir", "", refused}, {"dir", "/", refused}, {"dir", "/data", "/data"}, {"dir", " /data ", "/data"}, {"dir", "/data/wtp backup", "/data/wtp backup"},
		{"dir", "data", refused}, {"dir", "./data", refused}, {"dir", "~/data", refused}, {"dir", "/data/", refused}, {"dir", "/a/../b", refused},
		{"dir", "/..", refused}, {"dir", "/a/.", refused}, {"dir", "/a/./b", refused}, {"dir", "/a/...", "/a/..."}, {"dir", "/a/..b", "/a/..b"},
		{"dir", "/a//b", refused}, {"dir", "//a", refused}, {"dir", `C:\data`, refused}, {"dir", `/a\b`, refused},
		{"dir", "/a\x00b", refused}, {"dir", "/a\nb", refused}, {"dir", "/a\n", refused}, {"dir", "/a\tb", refused}, {"dir", "/a\x7fb", refused},
		{"dir", "/a\u0085b", refused}, {"dir", "/a\u2028b", refused}, {"dir", "/a\xff", refused}, {"dir", "/$(x)", "/$(x)"}, {"dir", "/a;b", "/a;b"},
		{"dir", "/数据/备份", "/数据/备份"}, {"dir", "/" + long(255), "/" + long(255)}, {"dir", "/" + long(256), refused},
		{"dir", "/" + strings.Repeat("数", 255), "/" + strings.Repeat("数", 255)}, {"dir", "/" + strings.Repeat("数", 256), refused},
		{"dir", "/var/www", refused}, {"dir", "/var/www/backup", refused}, {"dir", "/var", refused}, {"dir", "/var/www2", "/var/www2"},

		{"host_id", "", refused}, {"host_id", " ", refused}, {"host_id", long(256), long(256)}, {"host_id", long(257), refused},
		{"host_id", "a\nb", refused}, {"host_id", "a\x00b", refused}, {"host_id", " 0-a ", "0-a"}, {"host_id", "数", "数"},

		{"reason", "", refused}, {"reason", "  ", refused}, {"reason", "x", ""}, {"reason", long(500), ""}, {"reason", long(501), refused},
		{"reason", strings.Repeat("数", 500), ""}, {"reason", "two\nlines", ""}, {"ticket", "", ""}, {"ticket", long(100), ""}, {"ticket", long(101), refused},
		{"ticket", "a\nb", refused},
	}
}

func TestEveryValueOfTheBackupForm(t *testing.T) {
	rows := backupRows()
	require.GreaterOrEqual(t, len(rows), 90)
	c, h, p := withBackups(t)
	h.dirs = []string{"/var/www"}
	// The chosen server is protected itself, so its directories count.
	h.hosts = append(h.hosts, wtp.HostChoice{HostID: "s1", Name: "web-1", PrivateIP: "10.36.0.50", Online: true, Active: true, Linux: true})
	b := c.as(c.user("olga", wtp.Operator))
	for _, row := range rows {
		form := map[string]string{"host_id": "s1", "ip": "10.36.0.50", "port": "10050", "dir": "/data/b", "reason": "r", "ticket": "", "accept": "1"}
		form[row.field] = row.value
		var fields []string
		for k, v := range form {
			fields = append(fields, k, v)
		}
		a := b.post("/p/shop/backup-servers/new", fields...)
		d := a.page()
		if row.shown == refused {
			require.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, "%s %q", row.field, row.value)
			require.Equal(t, 1, d.Find("#"+row.field+"-err").Length(), "%s %q: no message beside the field", row.field, row.value)
			require.Equal(t, 1, d.Find(`#errors a[href="#`+row.field+`"]`).Length(), "%s %q: not in the summary", row.field, row.value)
			require.Equal(t, 1, d.Find(".err").Length(), "%s %q: only this field is wrong", row.field, row.value)
			continue
		}
		require.Equal(t, http.StatusOK, a.StatusCode, "%s %q: %s", row.field, row.value, d.Find("#errors").Text())
		require.NotEmpty(t, seen(d), "%s %q", row.field, row.value)
		if row.shown != "" {
			shown := map[string]string{}
			d.Find("#diff tbody tr").Each(func(i int, tr *goquery.Selection) {
				shown[[]string{"host_id", "ip", "port", "dir"}[i]] = tr.Find("ins").Text()
			})
			require.Equal(t, row.shown, shown[row.field], "%s %q: what is sent is what is shown", row.field, row.value)
		}
	}
	require.Empty(t, c.changes(p))
	require.Zero(t, h.wakes.Load())
}

func TestTypedValuesComeBack(t *testing.T) {
	c, _, _ := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	d := b.post("/p/shop/backup-servers/new", "host_id", newBackup, "ip", "<b>", "port", "70000", "dir", "data2", "reason", "why <i>", "ticket", "T").is(http.StatusUnprocessableEntity).page()
	for id, want := range map[string]string{"host_id": newBackup, "ip": "<b>", "port": "70000", "dir": "data2", "ticket": "T"} {
		require.Equal(t, want, d.Find("#"+id).AttrOr("value", ""))
	}
	require.Equal(t, "why <i>", d.Find("#reason").Text())
	require.Equal(t, "true", d.Find("#port").AttrOr("aria-invalid", ""))
	require.Contains(t, d.Find("#port").AttrOr("aria-describedby", ""), "port-err")
	require.Equal(t, "alert", d.Find("#errors").AttrOr("role", ""))
	require.Contains(t, d.Find("#diff").Text(), "Not valid")
}

// TestUnknownProtectedDirectoriesRefuseNothing: the rule holds where they are
// known; else the form says that they are not.
func TestUnknownProtectedDirectoriesRefuseNothing(t *testing.T) {
	c, _, _ := withBackups(t)
	b := c.as(c.user("olga", wtp.Operator))
	d := b.post("/p/shop/backup-servers/new", "host_id", newBackup, "ip", "10.36.0.31", "port", "1", "dir", "/", "reason", "r").is(http.StatusOK).page()
	require.NotEmpty(t, seen(d))
}
