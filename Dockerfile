# One static program, no shell, uid 65532. Everything it keeps is under /data.
#
#   docker build -t wtp-console .
#   docker run -p 8080:8080 -v wtp-data:/data wtp-console
FROM golang:1.26-bookworm AS build
WORKDIR /src
ENV GOFLAGS=-mod=readonly
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=container
RUN make static-build VERSION="$VERSION" \
 && install -D -m 0555 bin/web /out/program/web \
 && install -D -m 0444 /etc/ssl/certs/ca-certificates.crt /out/program/etc/ssl/certs/ca-certificates.crt \
 && install -d -m 0700 /out/owned/data \
 && install -d -m 1777 /out/owned/tmp

FROM scratch
COPY --from=build /out/program/ /
COPY --from=build --chown=65532:65532 /out/owned/ /
USER 65532:65532
ENV WTP_CONSOLE_DATA_DIR=/data WTP_CONSOLE_LISTEN=:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=6s --start-period=20s --retries=3 CMD ["/web", "healthcheck"]
ENTRYPOINT ["/web"]
CMD ["serve"]
