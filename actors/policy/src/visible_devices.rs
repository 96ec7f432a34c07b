//! Which cards a backend may see: the variables by which the vendors' libraries are told.

use crate::devices::Device;
use std::collections::BTreeMap;

/// Variables that speak of the same cards. Some count what others have left.
const FAMILIES: [&[&str]; 3] = [
    &["CUDA_VISIBLE_DEVICES"],
    &["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"],
    &["ZE_AFFINITY_MASK", "ZE_ENABLE_PCI_ID_DEVICE_ORDER", "ONEAPI_DEVICE_SELECTOR"],
];

/// Variables for a backend on these devices, in the order in which it should count them. A vendor whose cards it doesn't use
/// is left alone.
pub fn variables<'a>(devices: impl Iterator<Item = &'a Device> + Clone) -> Vec<(String, String)> {
    let of = |plugin: &'static str| {
        let words = devices.clone().filter(move |device| device.plugin == plugin);
        words.filter_map(|device| device.visible.clone()).collect::<Vec<String>>()
    };
    let mut variables = Vec::new();
    let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
    let (nvidia, amd, intel) = (of("nvidia"), of("amd"), of("intel"));
    if !nvidia.is_empty() {
        set("CUDA_VISIBLE_DEVICES", nvidia.join(","));
    }
    if !amd.is_empty() {
        set("ROCR_VISIBLE_DEVICES", amd.join(","));
        // HIP counts what ROCR has left, so it sees all of it.
        let places: Vec<String> = (0..amd.len()).map(|place| place.to_string()).collect();
        set("HIP_VISIBLE_DEVICES", places.join(","));
    }
    if !intel.is_empty() {
        set("ZE_AFFINITY_MASK", intel.join(","));
        // Otherwise the numbers follow the driver's taste.
        set("ZE_ENABLE_PCI_ID_DEVICE_ORDER", "1".to_owned());
    }
    variables
}

/// Those that don't get into the way of the user's own.
pub fn beside<'a>(
    variables: &'a [(String, String)],
    own: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (String, String)> + 'a {
    let taken = |name: &str| {
        let family = FAMILIES.iter().find(|family| family.contains(&name));
        family.is_some_and(|family| family.iter().any(|member| own.contains_key(*member)))
    };
    variables.iter().filter(move |(name, _)| !taken(name)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(plugin: &str, visible: Option<&str>) -> Device {
        Device { visible: visible.map(str::to_owned), ..Device::new("id", "name", plugin) }
    }

    #[test]
    fn each_vendor_has_its_own_variable() {
        let devices = [
            device("nvidia", Some("GPU-2")),
            device("cpu", None),
            device("amd", Some("GPU-a")),
            device("nvidia", Some("GPU-1")),
            device("amd", Some("1")),
            device("intel", Some("1")),
        ];
        let found = variables(devices.iter());
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            found,
            [
                ("CUDA_VISIBLE_DEVICES", "GPU-2,GPU-1"),
                ("ROCR_VISIBLE_DEVICES", "GPU-a,1"),
                ("HIP_VISIBLE_DEVICES", "0,1"),
                ("ZE_AFFINITY_MASK", "1"),
                ("ZE_ENABLE_PCI_ID_DEVICE_ORDER", "1"),
            ]
        );
        assert!(variables([device("cpu", None)].iter()).is_empty());
    }

    #[test]
    fn who_chooses_the_card_by_hand_is_left_alone() {
        let set = variables([device("amd", Some("GPU-a")), device("intel", Some("0"))].iter());
        let own = BTreeMap::from([("HIP_VISIBLE_DEVICES".to_owned(), "1".to_owned())]);
        let left: Vec<String> = beside(&set, &own).map(|(name, _)| name).collect();
        assert_eq!(left, ["ZE_AFFINITY_MASK", "ZE_ENABLE_PCI_ID_DEVICE_ORDER"]);
    }
}
