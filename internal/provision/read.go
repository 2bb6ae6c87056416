package provision

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"wtp-console/internal/secret"
)

// reader collects the faults of one file.
type reader struct {
	path   string
	getenv func(string) string
	faults Faults
}

func (r *reader) fault(line int, field, says string, args ...any) {
	r.faults = append(r.faults, Fault{File: r.path, Line: line, Field: field, Says: fmt.Sprintf(says, args...)})
}

func (r *reader) sorted() Faults {
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return r.faults
}

func (r *reader) file(data []byte) File {
	f := File{Path: r.path}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		r.syntax(err)
		return f
	}
	var docs []ast.Node
	for _, d := range tree.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			docs = append(docs, d.Body)
		}
	}
	switch {
	case len(docs) == 0:
		r.fault(0, "", "it holds nothing. Name people, credentials or projects")
		return f
	case len(docs) > 1:
		r.fault(line(docs[1]), "", "a second document begins here (---). Put everything into one")
		return f
	}
	root := r.fields("", docs[0], []string{"people", "credentials", "projects"})
	r.each("people", root, func(it item) { f.People = append(f.People, r.person(it)) })
	r.each("credentials", root, func(it item) { f.Credentials = append(f.Credentials, r.credential(it)) })
	r.each("projects", root, func(it item) { f.Projects = append(f.Projects, r.project(it)) })
	r.unique(f)
	return f
}

// syntax reports what the YAML parser met, without the excerpt it offers: a
// secret may stand there by mistake.
func (r *reader) syntax(err error) {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		says, _, _ := strings.Cut(at.GetMessage(), "\n")
		r.fault(at.GetToken().Position.Line, "", "not valid YAML: %s", says)
		return
	}
	r.fault(0, "", "not valid YAML")
}

// item is one mapping of the file: its fields as text and where they stand.
type item struct {
	nodes  map[string]ast.Node
	values map[string]string
	lines  lines
}

// each calls use for every mapping in the list of that name.
func (r *reader) each(name string, root item, use func(item)) {
	node := root.nodes[name]
	if node == nil {
		return
	}
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		r.fault(root.lines.of(name), name, "this must be a list: lines that begin with a hyphen")
		return
	}
	for i, entry := range list.Values {
		where := fmt.Sprintf("%s[%d]", name, i+1)
		if it := r.item(where, entry, fieldsOf(name)); entry.Type() == ast.MappingType {
			use(it)
		}
	}
}

func fieldsOf(list string) []string {
	switch list {
	case "people":
		return []string{"name", "role", "password_env", "password_file"}
	case "credentials":
		return []string{"name", "kind", "access_key", "secret_key_env", "secret_key_file", "account", "user", "password_env", "password_file", "region", "iam_endpoint"}
	default:
		return []string{"name", "region", "project_id", "enterprise_project_id", "credential", "hss_endpoint", "iam_endpoint"}
	}
}

// item reads a mapping whose values are all plain.
func (r *reader) item(where string, node ast.Node, known []string) item {
	it := r.fields(where, node, known)
	it.values = map[string]string{}
	for name, value := range it.nodes {
		if text, ok := r.text(where+"."+name, value); ok {
			it.values[name] = text
		}
	}
	return it
}

// fields reads a mapping and refuses fields it doesn't know.
func (r *reader) fields(where string, node ast.Node, known []string) item {
	it := item{nodes: map[string]ast.Node{}, lines: lines{item: where, fields: map[string]int{"": line(node)}}}
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		r.fault(line(node), where, "fields are expected here, such as %s: …", known[0])
		return it
	}
	if len(mapping.Values) > 0 {
		it.lines.fields[""] = line(mapping.Values[0].Key)
	}
	for _, pair := range mapping.Values {
		key, ok := pair.Key.(*ast.StringNode)
		switch {
		case !ok:
			r.fault(line(pair.Key), where, "fields have plain names; aliases and merge keys are not supported")
		case !slices.Contains(known, key.Value):
			r.fault(line(pair.Key), join(where, key.Value), "%s", unknownSays(key.Value, known))
		default:
			it.nodes[key.Value], it.lines.fields[key.Value] = pair.Value, line(pair.Key)
		}
	}
	return it
}

func join(where, field string) string {
	if where == "" {
		return field
	}
	return where + "." + field
}

// unknownSays names the field but never its value: it may be a secret.
func unknownSays(field string, known []string) string {
	base, low := "", strings.ToLower(field)
	switch {
	case strings.Contains(low, "password") && slices.Contains(known, "password_env"):
		base = "password"
	case (strings.Contains(low, "secret") || low == "sk") && slices.Contains(known, "secret_key_env"):
		base = "secret_key"
	default:
		return "there is no such field here. Known are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("secrets are never written in this file. Use %s_env (the name of an environment variable) or %s_file (the path of a file), and change the secret if others could read it here", base, base)
}

// text is the value of a plain node, numbers as they were written.
func (r *reader) text(where string, node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		r.fault(line(node), where, "it has no value. Leave the line out, or give it one")
	case *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		r.fault(line(node), where, "write this value in quotes")
	default:
		r.fault(line(node), where, "one plain value is expected here; lists, anchors, aliases and tags are not supported")
	}
	return "", false
}

func line(n ast.Node) int {
	if n == nil || n.GetToken() == nil {
		return 0
	}
	if s, ok := n.(*ast.MappingNode); ok && len(s.Values) > 0 {
		return line(s.Values[0].Key)
	}
	return n.GetToken().Position.Line
}

// secret fetches what base_env or base_file names. Exactly one must be there.
func (r *reader) secret(it item, base string) secret.Value {
	env, file := base+"_env", base+"_file"
	_, hasEnv := it.nodes[env]
	_, hasFile := it.nodes[file]
	switch {
	case hasEnv && hasFile:
		r.fault(it.lines.of(file), it.lines.item+"."+file, "give %s or %s, not both", env, file)
	case hasEnv:
		name := it.values[env]
		value := r.getenv(name)
		switch {
		case strings.TrimSpace(name) == "":
			r.fault(it.lines.of(env), it.lines.item+"."+env, "name an environment variable")
		case value == "":
			r.fault(it.lines.of(env), it.lines.item+"."+env, "%s is empty or not set", repeat("the environment variable", name))
		}
		return secret.New(value)
	case hasFile:
		return r.secretFile(it, file)
	default:
		r.fault(it.lines.of(""), it.lines.item+"."+env, "give %s (the name of an environment variable) or %s (the path of a file)", env, file)
	}
	return secret.Value{}
}

func (r *reader) secretFile(it item, field string) secret.Value {
	path := it.values[field]
	if path == "" {
		r.fault(it.lines.of(field), it.lines.item+"."+field, "give the path of a file")
		return secret.Value{}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(r.path), path)
	}
	data, err := readSmall(path)
	if err != nil {
		r.fault(it.lines.of(field), it.lines.item+"."+field, "%s can't be used: %s", repeat("the file", path), fileSays(err))
		return secret.Value{}
	}
	// Editors and echo end a file with a line break that is no part of the secret.
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		r.fault(it.lines.of(field), it.lines.item+"."+field, "%s is empty", repeat("the file", path))
	}
	return secret.New(text)
}

// repeat quotes a variable's name or a path for an error, unless it looks like a
// secret that was put in the wrong place.
func repeat(what, s string) string {
	name := strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
	path := strings.HasPrefix(s, "/") || strings.HasPrefix(s, ".")
	if len(s) > 200 || !name && !path {
		return what + " named here"
	}
	return what + " " + s
}

func fileSays(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "reading it is not permitted"
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
