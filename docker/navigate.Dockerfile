# The demo on a bare Debian 12: what the README's first command needs and nothing else.
#   docker build -f docker/navigate.Dockerfile -t vlingnav .      (from the repository's root)
#   docker run --rm -v "$PWD/runs:/vlingnav/runs" vlingnav
FROM debian:12
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv git make g++ ca-certificates
WORKDIR /vlingnav
COPY . .
RUN make install
CMD ["make", "navigate", "HEADLESS=1"]
