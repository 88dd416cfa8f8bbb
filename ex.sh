./namewall nft | nft -f -
nft add element inet filter web4 '{ 198.51.100.1 timeout 2h expires 30m, 198.51.100.2 timeout 3650d }'
nft add element inet filter web4 '{ 198.51.100.3 }'
nft add element inet filter agents4 '{ 198.51.100.1 . tcp . 443 timeout 2h expires 30m, 198.51.100.1 . udplite . 443 }'
nft add element inet filter ports6 '{ 2001:db8::1 . 443 timeout 2h expires 30m}'
for f in list hosts csv json nft java-policy; do echo "== $f"; ./namewall export --all --format $f; done
./namewall export --all --format nft > ex.nft; nft -c -f ex.nft; nft -f ex.nft; nft flush ruleset; nft -f ex.nft; nft list ruleset | head -12
