#!/usr/bin/env bash
# Prints the path of a description of Vulkan in software (Mesa's lavapipe), for the tests of
# values. Installs Debian's if there is none and this user may install it. If there is none,
# stdout stays empty and stderr says so.
set -eu

find_driver() { find /usr/share/vulkan/icd.d -name 'lvp_icd*.json' 2> /dev/null | head -n 1; }

[ -n "$(find_driver)" ] || "$(dirname "$0")/debian.sh" mesa-vulkan-drivers libvulkan1
driver=$(find_driver)
if [ -z "$driver" ]; then
    echo "Vulkan in software (mesa-vulkan-drivers) cannot be installed here: wgpu is not tested" >&2
else
    echo "$driver"
fi
