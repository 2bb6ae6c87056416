package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config is what the console is told from outside. Every setting is an
// environment variable and a flag; the flag wins. What people change while it
// runs (projects, people, the rate limit) is in the database instead.
type Config struct {
	DataDir         string        `help:"Directory for the database and the key file; made with mode 0700." default:"data" env:"WTP_CONSOLE_DATA_DIR"`
	DatabaseURL     string        `help:"PostgreSQL URL; without it the database is an SQLite file in the data directory." env:"WTP_CONSOLE_DATABASE_URL,DATABASE_URL"`
	DatabaseURLFile string        `help:"File that holds the PostgreSQL URL." env:"WTP_CONSOLE_DATABASE_URL_FILE,DATABASE_URL_FILE"`
	KeyFile         string        `help:"Key ring that seals the stored secrets; made with mode 0600 on first start. Default: keys in the data directory." env:"WTP_CONSOLE_KEY_FILE"`
	ProvisionFile   string        `help:"YAML file that creates or updates people, credentials and projects at start." env:"WTP_CONSOLE_PROVISION_FILE"`
	LogLevel        string        `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error" env:"WTP_CONSOLE_LOG_LEVEL"`
	LogFormat       string        `help:"json or text." default:"json" enum:"json,text" env:"WTP_CONSOLE_LOG_FORMAT"`
	ReadEvery       time.Duration `help:"How old the inventory may get before HSS is read again." default:"15m" env:"WTP_CONSOLE_READ_EVERY"`
	Lease           time.Duration `help:"How long a replica may be silent before another takes its changes over (PostgreSQL)." default:"30s" env:"WTP_CONSOLE_LEASE"`
}

// Listen is where and how the console answers.
type Listen struct {
	Address        string   `name:"listen" help:"Address and port to listen on." default:"127.0.0.1:8080" env:"WTP_CONSOLE_LISTEN"`
	TLSCert        string   `help:"Certificate file (PEM); with it the console speaks HTTPS itself." env:"WTP_CONSOLE_TLS_CERT"`
	TLSKey         string   `help:"Private key file (PEM) of the certificate." env:"WTP_CONSOLE_TLS_KEY"`
	PublicURL      string   `help:"Address people use when a proxy stands in front, for example https://wtp.example.org." env:"WTP_CONSOLE_PUBLIC_URL"`
	TrustedProxies []string `help:"Addresses or networks of proxies whose X-Forwarded-For is believed. Default: none." env:"WTP_CONSOLE_TRUSTED_PROXIES"`
	TimeZone       string   `help:"Time zone of pages for browsers that don't say theirs." default:"UTC" env:"WTP_CONSOLE_TIME_ZONE"`
}

// Secure says whether browsers reach the console over TLS.
func (l Listen) Secure() bool {
	return l.TLSCert != "" || strings.HasPrefix(l.PublicURL, "https://")
}

// check finds every fault at once.
func (l Listen) check() error {
	var faults []error
	if _, _, err := net.SplitHostPort(l.Address); err != nil {
		faults = append(faults, fmt.Errorf("WTP_CONSOLE_LISTEN: %q is not an address and port such as 127.0.0.1:8080", l.Address))
	}
	if (l.TLSCert == "") != (l.TLSKey == "") {
		faults = append(faults, errors.New("WTP_CONSOLE_TLS_CERT and WTP_CONSOLE_TLS_KEY: set both or neither"))
	}
	if l.PublicURL != "" {
		if u, err := url.Parse(l.PublicURL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
			faults = append(faults, fmt.Errorf("WTP_CONSOLE_PUBLIC_URL: %q is not a URL such as https://wtp.example.org", l.PublicURL))
		}
	}
	for _, p := range l.TrustedProxies {
		if _, err := netip.ParseAddr(p); err == nil {
			continue
		}
		if _, err := netip.ParsePrefix(p); err != nil {
			faults = append(faults, fmt.Errorf("WTP_CONSOLE_TRUSTED_PROXIES: %q is neither an address nor a network", p))
		}
	}
	if _, err := time.LoadLocation(l.TimeZone); err != nil {
		faults = append(faults, fmt.Errorf("WTP_CONSOLE_TIME_ZONE: %q is not a time zone such as Asia/Shanghai", l.TimeZone))
	}
	return errors.Join(faults...)
}

// prepare reads the file variants, fills what is derived, and makes the data
// directory.
func (c *Config) prepare() error {
	var faults []error
	if c.DatabaseURLFile != "" {
		if c.DatabaseURL != "" {
			faults = append(faults, errors.New("WTP_CONSOLE_DATABASE_URL and WTP_CONSOLE_DATABASE_URL_FILE: set one of them"))
		}
		b, err := os.ReadFile(c.DatabaseURLFile)
		if err != nil {
			faults = append(faults, fmt.Errorf("WTP_CONSOLE_DATABASE_URL_FILE: %w", err))
		}
		c.DatabaseURL = strings.TrimSpace(string(b))
	}
	if c.DatabaseURL != "" && !strings.HasPrefix(c.DatabaseURL, "postgres://") && !strings.HasPrefix(c.DatabaseURL, "postgresql://") {
		faults = append(faults, errors.New("WTP_CONSOLE_DATABASE_URL: only postgres:// URLs are known; leave it out for SQLite"))
	}
	if c.ReadEvery < time.Minute {
		faults = append(faults, fmt.Errorf("WTP_CONSOLE_READ_EVERY: %s is below 1m; HSS allows 5 calls a minute", c.ReadEvery))
	}
	if c.Lease != 0 && c.Lease < time.Second {
		faults = append(faults, fmt.Errorf("WTP_CONSOLE_LEASE: %s is below 1s", c.Lease))
	}
	if c.KeyFile == "" {
		c.KeyFile = filepath.Join(c.DataDir, "keys")
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		faults = append(faults, fmt.Errorf("WTP_CONSOLE_DATA_DIR: %w", err))
	}
	return errors.Join(faults...)
}

// prepareExisting is prepare for commands that look after a database that must
// be there: in a wrong directory they would make an empty one and praise it.
func (c *Config) prepareExisting() error {
	if c.DatabaseURL == "" && c.DatabaseURLFile == "" {
		if _, err := os.Stat(c.databasePath()); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is no database %s; name its directory with --data-dir or WTP_CONSOLE_DATA_DIR", c.databasePath())
		}
	}
	return c.prepare()
}

// databasePath is the SQLite file.
func (c *Config) databasePath() string { return filepath.Join(c.DataDir, "wtp-console.db") }

// database names the database, without a password: PostgreSQL takes one as a parameter
// too, and all of it as key=value pairs, which are no URL.
func (c *Config) database() string {
	if c.DatabaseURL == "" {
		return c.databasePath()
	}
	u, err := url.Parse(c.DatabaseURL)
	if err != nil || u.Host == "" {
		return "postgres"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}

// LogValue shows the configuration without what is secret in it.
func (c *Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("data_dir", c.DataDir), slog.String("database", c.database()),
		slog.String("key_file", c.KeyFile), slog.String("provision_file", c.ProvisionFile),
		slog.Duration("read_every", c.ReadEvery))
}

func (c *Config) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong holds it to the enum
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}
