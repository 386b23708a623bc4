//! When to ask again.

use std::time::{Duration, SystemTime};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Longest pause that the server did not ask for.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// The pauses between the attempts at one request.
#[derive(Debug)]
pub struct Schedule {
    next: Duration,
    rng: ChaCha8Rng,
}

impl Schedule {
    /// Makes the pauses. `first` is the approximate first pause; `seed` differs
    /// between requests, so that requests refused together do not return together.
    pub fn new(first: Duration, seed: u64) -> Self {
        Self {
            next: first,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Returns the next pause: between half of a span and the whole span, which
    /// doubles each time up to a minute. If the server asks for a longer pause, this
    /// one is a little longer than that, so that requests do not return together.
    pub fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let span = self.next.min(LONGEST_BACKOFF);
        self.next = self.next.saturating_mul(2);
        let own = span.mul_f64(self.rng.random_range(0.5..1.0));
        match asked {
            Some(asked) if asked >= own => {
                asked + span.min(asked).mul_f64(self.rng.random_range(0.0..0.1))
            }
            _ => own,
        }
    }
}

/// Reads `Retry-After`: seconds, or a date like `Sun, 06 Nov 1994 08:49:37 GMT`. A
/// date in the past is a pause of 0; more seconds than a duration can hold are the
/// longest duration.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        let is_number = value.starts_with(|c: char| c.is_ascii_digit()) && seconds >= 0.0;
        let pause = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        return is_number.then_some(pause);
    }
    let then = httpdate::parse_http_date(value).ok()?;
    Some(then.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_within_their_jitter() {
        let mut schedule = Schedule::new(Duration::from_secs(1), 7);
        for span in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let pause = schedule.pause(None).as_secs_f64();
            assert!(pause >= span / 2.0 && pause <= span, "{pause} of {span}");
        }
    }

    #[test]
    fn requests_do_not_return_together() {
        let pauses = |seed| {
            let mut schedule = Schedule::new(Duration::from_secs(1), seed);
            [
                schedule.pause(None),
                schedule.pause(Some(Duration::from_secs(20))),
            ]
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1)[0], pauses(2)[0]);
        assert_ne!(pauses(1)[1], pauses(2)[1]);
    }

    #[test]
    fn the_server_is_never_asked_before_it_wants() {
        for asked in [0, 1, 3, 30, 300] {
            let asked = Duration::from_secs(asked);
            let mut schedule = Schedule::new(Duration::from_secs(2), 3);
            for _ in 0..5 {
                let pause = schedule.pause(Some(asked));
                assert!(pause >= asked, "{pause:?} before {asked:?}");
            }
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        // date -u -d '1994-11-06 08:49:37' +%s
        let then = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |n| Some(Duration::from_secs(n));
        for (value, expected) in [
            ("0", seconds(0)),
            (" 120 ", seconds(120)),
            ("0.5", Some(Duration::from_millis(500))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(0)),
            ("Sun, 06 Nov 1994 08:50:47 GMT", seconds(70)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", seconds(0)),
            ("99999999999999999999", Some(Duration::MAX)),
            ("1e400", Some(Duration::MAX)),
            ("18446744073709551616", Some(Duration::MAX)),
            ("Thu, 31 Dec 2099 23:59:59 GMT", seconds(3_318_333_022)),
            ("-5", None),
            ("nan", None),
            ("soon", None),
            ("", None),
            ("inf", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 ovD 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 28:49:37 GMT", None),
        ] {
            assert_eq!(retry_after(value, then), expected, "{value:?}");
        }
    }
}
