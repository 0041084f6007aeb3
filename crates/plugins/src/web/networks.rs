//! Which networks a request may reach. The rules are asked about the very addresses that are then connected to, so it
//! does not matter how an address was spelled, or what a name pointed to a moment ago.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::str::FromStr;

/// A network in CIDR form; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(first, bits)| (first, Some(bits)));
        let parsed = address.parse::<IpAddr>().ok().and_then(|first| {
            let most = if first.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
            (bits <= most).then_some(Self { first, bits })
        });
        parsed.ok_or_else(|| {
            format!("'{text}' is no network; it must look like 10.0.0.0/8, fd00::/8 or 10.1.2.3")
        })
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                first.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                first.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// Refused unless allowed: the machine itself, the local link with the metadata services of clouds, and what is no
/// single machine.
const NOT_BY_DEFAULT: [&str; 12] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "100.100.100.200/32", // metadata of Alibaba Cloud
    "192.0.0.192/32",     // metadata of Oracle Cloud
    "224.0.0.0/3",
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
    "fd00:ec2::254/128", // metadata of AWS
    "fd20:ce::254/128",  // metadata of Google Cloud
];

/// What may be reached. `refuse` wins over everything but `this_machine`, then `only` (where it is not empty), then
/// `allow`.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    only: Vec<Network>,
    allow: Vec<Network>,
    refuse: Vec<Network>,
    this_machine: bool,
}

impl Rules {
    /// Of what may be reached, nothing but this machine: for what others must not read on the way.
    pub fn only_this_machine(self) -> Self {
        Self { this_machine: true, ..self }
    }

    /// No address is refused: for a target that the handler names and no value can change.
    pub fn any() -> Self {
        let all = [
            Network { first: Ipv4Addr::UNSPECIFIED.into(), bits: 0 },
            Network { first: Ipv6Addr::UNSPECIFIED.into(), bits: 0 },
        ];
        Self { allow: all.into(), ..Self::default() }
    }

    /// Reads the keys `only`, `allow` and `refuse` of the section `[networks]`; a missing file has none of them.
    ///
    /// # Errors
    /// A line that is not understood, named with its number: a rule that is not applied would let through what it
    /// should stop.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(|error| format!("{} can't be read: {error}", path.display()))?,
        };
        let mut rules = Self::default();
        let mut section = String::new();
        for (number, line) in text.lines().map(str::trim).enumerate() {
            let here = |problem: String| format!("{}, line {}: {problem}", path.display(), number + 1);
            if line.is_empty() || line.starts_with([';', '#']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
                continue;
            }
            let (key, value) =
                line.split_once('=').ok_or_else(|| here("a line must look like 'key = value'".to_owned()))?;
            let list = match (section.as_str(), key.trim()) {
                ("networks", "only") => &mut rules.only,
                ("networks", "allow") => &mut rules.allow,
                ("networks", "refuse") => &mut rules.refuse,
                (section, key) => {
                    return Err(here(format!(
                        "[{section}] {key} is unknown; [networks] has only, allow and refuse"
                    )));
                }
            };
            for network in value.split_whitespace() {
                list.push(network.parse().map_err(here)?);
            }
        }
        Ok(rules)
    }

    /// Adds a network that the handler's definition allows beside those of the settings.
    pub fn also_allow(&mut self, network: Network) {
        self.allow.push(network);
    }

    /// Whether `address` may be connected to.
    ///
    /// # Errors
    /// The sentence says why not.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        let forms = forms(address);
        if self.this_machine && !forms.iter().any(IpAddr::is_loopback) {
            return Err(format!(
                "{address} is another machine: without https:// others could read on the way (see --plain-http)"
            ));
        }
        let listed =
            |list: &[Network]| forms.iter().any(|form| list.iter().any(|network| network.contains(*form)));
        let default = || {
            !forms.iter().any(|form| {
                NOT_BY_DEFAULT
                    .iter()
                    .filter_map(|text| text.parse().ok())
                    .any(|network: Network| network.contains(*form))
            })
        };
        let closed = listed(&self.refuse) || (!self.only.is_empty() && !listed(&self.only));
        if !closed && (listed(&self.allow) || default()) {
            return Ok(());
        }
        Err(format!("{address} is in a network that is not allowed"))
    }
}

/// The address and the IPv4 address that it carries: `::ffff:127.0.0.1` and its relatives reach the same machine.
fn forms(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(six) = address else {
        return vec![address];
    };
    let [a, b, c, d, e, f, g, h] = six.segments();
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match [a, b, c, d, e, f] {
        // Mapped, compatible, translated.
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] => vec![address, four(g, h)],
        [0, 0, 0, 0, 0, 0] if g != 0 => vec![address, four(g, h)],
        // NAT64, well known and local.
        [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => vec![address, four(g, h)],
        // 6to4.
        [0x2002, ..] => vec![address, four(b, c)],
        _ => vec![address],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(rules: &Rules, address: &str) -> bool {
        rules.check(address.parse().unwrap()).is_ok()
    }

    fn networks(list: &[&str]) -> Vec<Network> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_machine_itself_and_metadata_are_refused_in_every_form() {
        let rules = Rules::default();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
        ] {
            assert!(!permits(&rules, address), "{address}");
        }
        for address in ["10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(permits(&rules, address), "{address}");
        }
    }

    #[test]
    fn refuse_wins_over_only_and_only_over_allow() {
        let rules = Rules {
            only: networks(&["10.0.0.0/8", "127.0.0.0/8"]),
            allow: networks(&["127.0.0.0/8", "169.254.0.0/16"]),
            refuse: networks(&["10.1.0.0/16"]),
            this_machine: false,
        };
        assert!(permits(&rules, "10.2.0.1") && permits(&rules, "127.0.0.1"));
        assert!(
            !permits(&rules, "10.1.0.1") && !permits(&rules, "169.254.1.1") && !permits(&rules, "8.8.8.8")
        );
    }

    #[test]
    fn the_settings_say_what_may_be_reached() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("http.ini");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            Rules::read(&path)
        };
        let rules = read(
            "; a comment\n[networks]\nonly = 10.0.0.0/8  127.0.0.0/8\nallow=127.0.0.1 127.0.0.2\nrefuse = 10.1.0.0/16\n",
        )
        .unwrap();
        assert!(permits(&rules, "10.2.0.1") && permits(&rules, "127.0.0.2"));
        for refused in ["10.1.0.1", "127.0.0.3", "8.8.8.8"] {
            assert!(!permits(&rules, refused), "{refused}");
        }
        let rules = read("[networks]\nonly =\nallow =\nrefuse =\n").unwrap();
        assert!(permits(&rules, "8.8.8.8") && !permits(&rules, "127.0.0.1"));
        for (text, why) in [
            ("[networks]\n\nrefused = 10.0.0.0/8\n", "line 3: [networks] refused is unknown"),
            ("refuse = 10.0.0.0/8\n", "line 1: [] refuse is unknown"),
            ("[networks]\nrefuse = 10.0.0.0/8 lan\n", "line 2: 'lan' is no network"),
            ("[networks]\nrefuse 10.0.0.0/8\n", "line 2: a line must look like 'key = value'"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        fs::remove_file(&path).unwrap();
        assert!(!permits(&Rules::read(&path).unwrap(), "127.0.0.1"));
        assert!(Rules::read(directory.path()).is_err(), "what can't be read is not taken for missing");
    }

    #[test]
    fn networks_have_a_form() {
        for bad in ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "host"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        let everything: Network = "0.0.0.0/0".parse().unwrap();
        assert!(everything.contains("1.2.3.4".parse().unwrap()));
    }

    #[test]
    fn only_this_machine_means_it_and_allows_nothing_more() {
        let rules = Rules::any().only_this_machine();
        assert!(permits(&rules, "127.0.0.1") && permits(&rules, "::1") && !permits(&rules, "10.0.0.1"));
        let rules = Rules::default().only_this_machine();
        assert!(!permits(&rules, "127.0.0.1") && !permits(&rules, "10.0.0.1"));
    }
}
