//! A trainer's turn: it waits, as `queued`, until the place where it is to compute has room for it.

use std::time::Duration;

use crate::nn::ops::device;
use crate::run::Session;
use crate::run::config::Config;
use crate::run::queue::{Look, Queue, Ticket, Turn};

use super::error::Result;
use super::worker::{End, Surroundings};

/// Time between two looks at the queue.
const EVERY: Duration = Duration::from_millis(250);

/// What a trainer has while it is its turn.
#[derive(Debug)]
pub(super) struct Taken {
    /// The place's name; empty where no queue could be kept.
    pub(super) place: String,
    _ticket: Option<Ticket>,
}

/// Waits for the turn of `session`'s run, or takes it at once; or how to end, if it was told to before.
pub(super) fn take(session: &mut Session, config: &Config, around: &Surroundings) -> Result<Result<Taken, End>> {
    let places = device::places(&config.train.device);
    let queue = Queue::new(around.workspace);
    if around.turn == Turn::AtOnce {
        let taken = queue.enter(session.run().id(), &places).and_then(|mut ticket| Ok((ticket.go()?, ticket)));
        return Ok(Ok(match taken {
            Ok((place, ticket)) => Taken { place, _ticket: Some(ticket) },
            // it was not to wait, so it does not fail for want of a queue
            Err(error) => {
                session.log().say(&format!("others cannot see that it computes: {error}"))?;
                Taken { place: String::new(), _ticket: None }
            }
        }));
    }
    let mut ticket = queue.enter(session.run().id(), &places)?;
    let mut look = ticket.look()?;
    loop {
        match look {
            Look::Go(place) => {
                session.phase(crate::run::Phase::Starting)?;
                return Ok(Ok(Taken { place, _ticket: Some(ticket) }));
            }
            Look::Wait(place) => {
                if session.state().place.is_none() {
                    session.log().say(&format!("waits for its turn on {}", ticket.wants()))?;
                }
                session.waits(place, &ticket.wants())?;
                if let Some(end) = around.stopped(session) {
                    return Ok(Err(end));
                }
                std::thread::sleep(EVERY);
                // a limit that is being edited, or a disk that is away for a moment, ends no wait of a night
                look = ticket.look().unwrap_or(Look::Wait(place));
            }
        }
    }
}
