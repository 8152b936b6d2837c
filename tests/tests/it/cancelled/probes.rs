//! What watches a job and interrupts it at the point that a test wants.

use parking_lot::Mutex;
use zxq_engine::{Probe, Verdict};

/// What a process says, on a line of its own, before it dies of a probe: it might abort for another reason.
pub const DYING: &str = "DYING AS PLANNED";

fn die() -> ! {
    println!("\n{DYING}");
    std::process::abort()
}

/// What happens at that point. The first three count the times that the job waits, the others the writes to the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing; the test looks whether it was [`Watch::reached`].
    Note,
    /// The job is asked to stop.
    Stop,
    /// The process ends, as if it were killed.
    Die,
    /// The process ends before that write.
    DieAtWrite,
    /// That write is refused.
    RefuseOnce,
    /// That write is refused, and the one after it.
    RefuseTwice,
    /// That write is refused, and each one after it.
    RefuseFrom,
}

impl Act {
    /// All of them, to find one by its name.
    pub const ALL: [Act; 7] =
        [Act::Note, Act::Stop, Act::Die, Act::DieAtWrite, Act::RefuseOnce, Act::RefuseTwice, Act::RefuseFrom];

    fn counts_writes(self) -> bool {
        matches!(self, Act::DieAtWrite | Act::RefuseOnce | Act::RefuseTwice | Act::RefuseFrom)
    }
}

/// What is to happen, and how far it has come.
#[derive(Debug)]
struct Plan {
    job: &'static str,
    at: u64,
    act: Act,
    writes: u64,
    reached: bool,
}

/// Lets jobs alone until it is armed.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Option<Plan>>);

impl Watch {
    /// Interrupts the next job of this name at its `at`-th wait, or at the `at`-th write to the catalog, counted from 1.
    pub fn arm(&self, job: &'static str, at: u64, act: Act) {
        *self.0.lock() = Some(Plan { job, at, act, writes: 0, reached: false });
    }

    /// True once the point was reached.
    pub fn reached(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|plan| plan.reached)
    }

    /// Lets jobs alone again, and the catalog be written to. True when the point was reached.
    pub fn disarm(&self) -> bool {
        self.0.lock().take().is_some_and(|plan| plan.reached)
    }
}

impl Probe for Watch {
    fn suspended(&self, job: &'static str, nth: u64) -> Verdict {
        let mut plan = self.0.lock();
        let armed = |plan: &&mut Plan| plan.job == job && !plan.act.counts_writes() && !plan.reached && nth >= plan.at;
        let Some(plan) = plan.as_mut().filter(armed) else { return Verdict::GoOn };
        plan.reached = true;
        match plan.act {
            Act::Die => die(),
            Act::Stop => Verdict::Stop,
            _ => Verdict::GoOn,
        }
    }

    fn catalog_write(&self) -> Result<(), String> {
        let mut plan = self.0.lock();
        let Some(plan) = plan.as_mut().filter(|plan| plan.act.counts_writes()) else { return Ok(()) };
        plan.writes += 1;
        let last = match plan.act {
            Act::RefuseOnce => plan.at,
            Act::RefuseTwice => plan.at + 1,
            _ => u64::MAX,
        };
        if plan.writes < plan.at || plan.writes > last {
            return Ok(());
        }
        plan.reached = true;
        if plan.act == Act::DieAtWrite {
            die();
        }
        Err("a test refuses it".to_owned())
    }
}
