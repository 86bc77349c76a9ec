# Second container of a build pod: buildah builds /workspace and pushes the image; its termination message is the digest.
# "$@" holds the --build-arg options; what else the user gave arrives in variables.
set -eu
mkdir -p /etc/containers
cat >/etc/containers/registries.conf <<CONF
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "$REGISTRY"
insecure = true
CONF
if [ -n "$STAND_INS" ]; then
    cat >>/etc/containers/registries.conf <<CONF
[[registry]]
prefix = "docker.io"
location = "$REGISTRY/bases/docker.io"
insecure = true
CONF
    # The base images are there once the controller says so.
    waited=0
    until curl --silent --fail --output /dev/null --head --header 'Accept: application/vnd.oci.image.manifest.v1+json' \
        "http://$REGISTRY/v2/bases/ready/manifests/$BUILD_UID"; do
        waited=$((waited + 1))
        [ "$waited" -lt 6000 ] || { echo "the base images did not become available within 10 minutes" >&2; exit 1; }
        sleep 0.1
    done
elif [ -n "$MIRROR" ]; then
    cat >>/etc/containers/registries.conf <<CONF
[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "$MIRROR"
CONF
fi
[ -s /etc/pilothouse/ca.crt ] && export SSL_CERT_FILE=/etc/pilothouse/ca.crt
for pair in ca.crt:/run/pilothouse-ca.crt pip.conf:/etc/pip.conf npmrc:/etc/npmrc apt.conf:/etc/apt/apt.conf.d/95pilothouse; do
    file=/etc/pilothouse/${pair%%:*}
    if [ -s "$file" ]; then set -- "$@" --volume "$file:${pair#*:}:ro"; fi
done
cd "/workspace/source/$CONTEXT"
buildah --storage-driver overlay bud --isolation chroot --layers --format docker --network host \
    --file /workspace/Dockerfile --tag "$IMAGE" "$@" .
echo "pushing $IMAGE"
buildah --storage-driver overlay push --quiet --tls-verify=false --disable-compression --digestfile /dev/termination-log "$IMAGE" "docker://$IMAGE"
