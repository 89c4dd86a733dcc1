//! Rules of time.

use super::*;
use crate::judge::clocks::{by_the_clock, time_goes_forward};

#[test]
fn time_goes_forward_on_the_clocks_of_both() {
    let (talk, keys) = real(None, &|look| look.messages.iter().all(|it| it.received.is_some()));
    let end = talk.lines.last().unwrap().at;
    let time = ["time_goes_forward"];
    let broken = |change: &dyn Fn(&mut Vec<Line>)| broken_by(&talk, &keys, change);
    assert_eq!(broken(&|lines| lines[0].at += 1000), time);
    assert_eq!(broken(&|lines| lines[0].received = Some(lines[0].at - 100)), time);
    // Others overtake it: so it is on some networks.
    let mut late = talk.clone();
    late.lines[0].received = Some(end + 1000);
    assert_eq!(time_goes_forward(&Look::at(&late, &keys)), Vec::new());
    // One clock is not quite right, and the record is of both machines.
    let bob = talk.lines[0].sender.clone();
    for wrong in [-50, -1, 1, 50] {
        let shifted = broken(&|lines| {
            for line in lines {
                match line.sender == bob {
                    true => line.at += wrong,
                    false => line.received = line.received.map(|received| received + wrong),
                }
            }
        });
        assert_eq!(shifted, Vec::<&str>::new(), "{wrong} seconds");
    }
    // Both ways faster than can be.
    let faster =
        broken(&|lines| lines.iter_mut().for_each(|line| line.received = line.received.map(|_| line.at - 5)));
    assert!(faster.contains(&"time_goes_forward"), "{faster:?}");
}

#[test]
fn who_speaks_by_the_clock_is_found_where_they_say_enough() {
    let (talk, keys) = real(None, &|look| {
        let mut said: Vec<i64> = look.data().filter(|it| !it.2.quiet).map(|it| it.1.at).collect();
        said.dedup();
        said.len() > 8
    });
    let start = talk.lines[0].at;
    let by_the_minute = |at: i64| start + (at - start) * 60;
    let changed = broken_by(&talk, &keys, |lines| {
        for line in lines {
            (line.at, line.received) = (by_the_minute(line.at), line.received.map(by_the_minute));
        }
    });
    assert_eq!(changed, ["nobody_speaks_by_the_clock"]);
    assert!(by_the_clock((0..9).map(|n| n * n * 60).collect()).is_some());
    assert!(by_the_clock((0..12).map(|n| 7 + n * 37).collect()).is_some());
    // So much is chance.
    assert_eq!(by_the_clock(vec![0, 5, 30, 50, 85, 90]), None);
    assert_eq!(by_the_clock(vec![0, 60, 180, 240]), None);
}

#[test]
fn nobody_in_a_hundred_thousand_lives_speaks_by_the_clock() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..100_000 {
        let life = Life::draw(&mut rng, START);
        assert_eq!(by_the_clock(life.said.iter().map(|saying| saying.at).collect()), None);
    }
}
