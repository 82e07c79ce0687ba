//! What is agreed on and set: `level:window_bits:memory_level:takeover|alone:keepalive_ms`.

use std::{fmt, str::FromStr, time::Duration};

/// The settings of a connection, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How hard to compress, 1 to 9.
    pub level: u8,
    /// The window, 9 to 15 bits.
    pub window_bits: u8,
    /// zlib's memory level, 1 to 9.
    pub memory_level: u8,
    /// Whether messages refer to those before.
    pub takeover: bool,
    /// How often an idle connection is pinged, for those who give memory back then.
    pub keepalive: Option<Duration>,
}

impl Settings {
    /// Returns the offer of a client: the windows only where they are not the largest.
    pub fn offer(&self) -> String {
        let mut offer = String::from("permessage-deflate");
        if !self.takeover {
            offer.push_str("; server_no_context_takeover; client_no_context_takeover");
        }
        if self.window_bits < 15 {
            let bits = self.window_bits;
            offer.push_str(&format!(
                "; server_max_window_bits={bits}; client_max_window_bits={bits}"
            ));
        }
        offer
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}:{}:{}",
            self.level,
            self.window_bits,
            self.memory_level,
            if self.takeover { "takeover" } else { "alone" },
            self.keepalive.unwrap_or_default().as_millis()
        )
    }
}

impl FromStr for Settings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: not level:window:memory:takeover|alone:keepalive_ms");
        let fields: Vec<&str> = text.split(':').collect();
        let [level, window_bits, memory_level, takeover, keepalive] = fields[..] else {
            return Err(wrong());
        };
        let number = |field: &str| field.parse::<u8>().map_err(|_| wrong());
        let keepalive: u64 = keepalive.parse().map_err(|_| wrong())?;
        Ok(Self {
            level: number(level)?,
            window_bits: number(window_bits)?,
            memory_level: number(memory_level)?,
            takeover: match takeover {
                "takeover" => true,
                "alone" => false,
                _ => return Err(wrong()),
            },
            keepalive: (keepalive > 0).then(|| Duration::from_millis(keepalive)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_written() {
        for text in ["6:15:8:takeover:0", "1:9:1:alone:1000"] {
            assert_eq!(text.parse::<Settings>().unwrap().to_string(), text);
        }
        assert!("6:15:8".parse::<Settings>().is_err());
        assert!("6:15:8:perhaps:0".parse::<Settings>().is_err());
    }
}
