package advice

import (
	"strings"
	"testing"

	"github.com/namewall/namewall/internal/rule"
)

func TestFront(t *testing.T) {
	for name, want := range map[string]string{
		"my-lb-1234567890.us-east-2.elb.amazonaws.com.": "AWS Elastic Load Balancing",
		"my-nlb-1234567890.elb.us-east-2.amazonaws.com": "AWS Elastic Load Balancing",
		"D111111abcdef8.CloudFront.net":                 "Amazon CloudFront",
		"a1234567890abcdef.awsglobalaccelerator.com":    "AWS Global Accelerator",
		"contoso-hash.z01.azurefd.net":                  "Azure Front Door",
		"contoso.trafficmanager.net":                    "Azure Traffic Manager",
		"www.example.com.edgekey.net":                   "Akamai",
		"e1234.a.akamaiedge.net":                        "Akamai",
		"dualstack.d.sni.global.fastly.net":             "Fastly",
		"www.example.com.cdn.cloudflare.net":            "Cloudflare",
		"ec2-198-51-100-1.compute.amazonaws.com":        "",
		"vm.westeurope.cloudapp.azure.com":              "",
		"notcloudfront.net":                             "",
		"cloudfront.net.example.com":                    "",
		"www.example.com":                               "",
		"net":                                           "",
	} {
		if got, ok := Front(name); got != want || ok != (want != "") {
			t.Errorf("%s: got '%s', %v", name, got, ok)
		}
	}
}

// Every line is whole, and stands once.
func TestFronts(t *testing.T) {
	seen := make(map[string]bool)
	all := parseFronts(fronts)
	for _, f := range all {
		domain := strings.Join(f.labels, " ")
		if len(f.labels) < 2 || f.what == "" || !strings.HasPrefix(f.source, "https://") || seen[domain] {
			t.Errorf("%+v", f)
		}
		seen[domain] = true
	}
	if len(all) < 10 {
		t.Errorf("%d lines", len(all))
	}
}

func TestBelow(t *testing.T) {
	for in, want := range map[string]Registry{
		"*.com":               Public,
		"*.co.uk":             Public,
		"shop-*.co.uk":        Public,
		"*.github.io":         Shared,
		"*.s3.amazonaws.com":  Shared,
		"*.cloudfront.net":    Shared,
		"*.azurewebsites.net": Shared,
		"*.example.com":       Own,
		"*.me.github.io":      Own,
		"me.github.io":        Own,
		"*":                   Own,
		"*.test":              Own,
		"*.corp":              Own,
		"com":                 Own,
	} {
		p, err := rule.ParsePattern(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := Below(p); got != want {
			t.Errorf("%s: got %d, want %d", in, got, want)
		}
	}
}
