package nftset

import "net/netip"

// webExposed is what the Corefile says for a page that not only this machine can
// look at.
const webExposed = "exposed"

// web reads where the page is.
func (p *parser) web(args []string) (string, error) {
	if err := p.once("web"); err != nil {
		return "", err
	}
	addr, err := netip.ParseAddrPort(args[0])
	if err != nil || addr.Port() == 0 {
		return "", p.c.Errf("'%s' is no address with a port: write it like 127.0.0.1:8480 or [::1]:8480", args[0])
	}
	local := addr.Addr().Unmap().IsLoopback()
	switch {
	case len(args) > 2:
		return "", p.c.Errf("unexpected '%s': 'web' takes an address with a port, and the word '%s'", args[2], webExposed)
	case len(args) == 2 && args[1] != webExposed:
		return "", p.c.Errf("unexpected '%s': behind the address may only stand '%s'", args[1], webExposed)
	case len(args) == 2 && local:
		return "", p.c.Errf("%s can be reached from this machine only: take '%s' away, or write the address that is meant", addr.Addr(), webExposed)
	case len(args) == 1 && !local:
		return "", p.c.Errf("%s can be reached from elsewhere, and the page shows everybody who asked for which name: use 127.0.0.1:%d, or say 'web %s %s' and let the firewall choose who",
			addr.Addr(), addr.Port(), addr, webExposed)
	}
	return addr.String(), nil
}
