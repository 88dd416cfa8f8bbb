# namewall in a container: a static binary and the certificates for upstreams
# over TLS, nothing else.
#
#     docker build -t namewall .
#     docker run --network host --cap-add NET_ADMIN \
#         -v /etc/namewall:/etc/namewall:ro -v namewall:/var/lib/namewall namewall
#
# Host network: the sets are those of the network namespace that namewall runs
# in, and it must be the one through which the clients' packets go.
#
# No root: the binary has the two capabilities that it needs as file
# capabilities, CAP_NET_ADMIN to write sets and CAP_NET_BIND_SERVICE for port 53.
# The kernel refuses to start such a binary where the container may not have
# them, `namewall version` included, hence --cap-add. The option
# no-new-privileges takes file capabilities away: leave it out.

FROM golang:1.26-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libcap2-bin
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/namewall ./cmd/namewall
RUN setcap cap_net_admin,cap_net_bind_service=+ep /out/namewall
# The state file's directory has to be the user's, and nobody else's to enter.
RUN install -d -m 0700 /out/lib/namewall

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/namewall /namewall
COPY --from=build --chown=65532:65532 /out/lib/ /var/lib/
USER 65532:65532
ENTRYPOINT ["/namewall"]
CMD ["serve", "-conf", "/etc/namewall/Corefile"]
