package nftset

// require reads what an answer must be for the rule to learn from it. There is
// one thing that it may have to be.
func (p *ruleParser) require(args []string) error {
	word, err := p.single("require", args)
	if err != nil {
		return err
	}
	if word != "validated" {
		return p.c.Errf("'%s' can't be required: write 'require validated' for answers that the upstream has validated", word)
	}
	p.source.rule.Validated = true
	return nil
}
