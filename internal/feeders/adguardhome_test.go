package feeders

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAdGuardHome(t *testing.T) {
	dir := files(t, map[string]string{
		"a.yaml": `http:
  address: 192.0.2.1:80
dns:
  port: 53
  ipset:
    - example.com,Bücher.example/vpn4,vpn6
    - "/all"
    # a comment
    - example.com / more
    - example.com
    - example.com/
    - "*.example.com/vpn4"
  ipset_file: ""
`,
		"b.yaml": "dns:\n  ipset: [ignored.example/x]\n  ipset_file: DIR/list\n",
		"list":   "# a comment\n\n  example.net/vpn4\na.example/b/c\n",
	})
	c, err := AdGuardHome(filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `a.yaml:6: example.com xn--bcher-kva.example -> ipset/vpn4 ipset/vpn6
a.yaml:7: every -> ipset/all
a.yaml:9: example.com -> ipset/more
a.yaml:10: ->
a.yaml:11: example.com ->
a.yaml:12: ->
list:3: example.net -> ipset/vpn4
list:4: ->
`
	got := summary(c, dir)
	if !strings.HasPrefix(got, want) || len(c.Problems) != 4 {
		t.Errorf("got\n%s", got)
	}
}

func TestAdGuardHomeErrors(t *testing.T) {
	dir := files(t, map[string]string{
		"no.yaml":   "dns: [\n",
		"file.yaml": "dns:\n  ipset_file: /nowhere\n",
	})
	for file, want := range map[string]string{"no.yaml": "no.yaml: yaml: ", "file.yaml": "/nowhere: no such", "none": "none: no such"} {
		if _, err := AdGuardHome(filepath.Join(dir, file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
