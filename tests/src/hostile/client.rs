//! One client of one person, and the application around it: it performs outputs in order, keeps what has to be kept, and
//! can die at any moment. docs/client-authors.md "The loop". Used by [`super::world`].

use otrv4::keys::ForgingSecret;
use otrv4::{Account, ContactKey, Context, Output, Refused, Session, Timestamp};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::keys::dsa_key;
use super::setting::ClientSetting;

/// One client.
pub(crate) struct Client {
    /// 0 is Alice, 1 is Bob.
    pub(crate) person: usize,
    pub(crate) account: Account,
    pub(crate) session: Session,
    pub(crate) setting: ClientSetting,
    disk: Disk,
    /// After how many outputs of the next step it dies.
    pub(crate) dies_after: Option<usize>,
}

/// What survives: account and session, and the outputs that were still to come.
struct Disk {
    account: Vec<u8>,
    session: Vec<u8>,
    rest: Vec<Output>,
}

/// What a step did that can be seen from outside, in order: lines and events.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) outputs: Vec<Output>,
    /// The client died before anything was kept: what it was told is lost, as if it had never been.
    pub(crate) undone: bool,
    /// The client died.
    pub(crate) died: bool,
    /// It has changed, and was not told to keep that.
    pub(crate) unsaved: bool,
    /// What the user asked for was refused.
    pub(crate) refused: Option<Refused>,
}

impl Client {
    pub(crate) fn new(person: usize, setting: ClientSetting, rng: &mut ChaCha8Rng, now: Timestamp) -> Self {
        let lifetimes = setting.lifetimes();
        let mut account = Account::new(NAMES[person], ForgingSecret::Destroy, lifetimes, rng, now);
        if let Some(which) = setting.v3_key {
            account.set_v3_key(Some(dsa_key(which)), rng, now);
        }
        let mut session = Session::new(NAMES[1 - person], setting.policy);
        session.set_max_line(setting.max_line).expect("long enough");
        let disk =
            Disk { account: account.save().to_vec(), session: session.save().to_vec(), rest: Vec::new() };
        Self { person, account, session, setting, disk, dies_after: None }
    }

    /// Its keys, of each version one.
    pub(crate) fn keys(&self) -> Vec<ContactKey> {
        let old = self.account.v3_key().map(|key| ContactKey::V3(key.fingerprint()));
        [ContactKey::V4(self.account.fingerprint())].into_iter().chain(old).collect()
    }

    /// Its user has compared these keys by hand.
    pub(crate) fn verify(&mut self, keys: &[ContactKey], now: Timestamp) {
        for key in keys {
            assert!(self.account.verify_by_hand(NAMES[1 - self.person], *key, now), "few keys");
        }
        self.save(Vec::new());
    }

    /// Its instance tag.
    pub(crate) fn tag(&self) -> u32 {
        self.account.tag().get()
    }

    /// Does something and performs the outputs in order.
    pub(crate) fn act(
        &mut self,
        rng: &mut ChaCha8Rng,
        now: Timestamp,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) -> Done {
        let mut cx = Context { account: &mut self.account, rng, now };
        match act(&mut self.session, &mut cx) {
            Ok(outputs) => self.perform(outputs, rng, now),
            Err(refused) => Done { refused: Some(refused), ..Done::default() },
        }
    }

    /// Takes a line from the network.
    pub(crate) fn receive(&mut self, rng: &mut ChaCha8Rng, now: Timestamp, line: &str) -> Done {
        self.act(rng, now, |session, cx| Ok(session.receive(cx, line)))
    }

    /// Keeps everything, closes the client and opens it again.
    pub(crate) fn restart(&mut self, rng: &mut ChaCha8Rng, now: Timestamp) -> Done {
        // What has not been kept by now nobody may rely on.
        self.load();
        self.act(rng, now, |session, cx| Ok(session.tick(cx)))
    }

    /// What would be done if each of these lines came, without its coming. Nothing is due now, so the account stays as it is
    /// unless a line is taken that must not be.
    pub(crate) fn probe(
        &mut self,
        rng: &mut ChaCha8Rng,
        now: Timestamp,
        lines: &[String],
    ) -> Vec<Vec<Output>> {
        let mut session = Session::load(&self.session.save(), self.setting.policy).expect("what was saved");
        let mut receive =
            |line: &String| session.receive(&mut Context { account: &mut self.account, rng, now }, line);
        lines.iter().map(&mut receive).collect()
    }

    /// How many bytes it keeps for its session.
    pub(crate) fn saved(&self) -> usize {
        self.disk.session.len()
    }

    fn perform(&mut self, outputs: Vec<Output>, rng: &mut ChaCha8Rng, now: Timestamp) -> Done {
        let mut done = Done::default();
        let dies_after = self.dies_after.take_if(|after| *after < outputs.len());
        let mut kept = None;
        for (at, output) in outputs.iter().enumerate() {
            if dies_after == Some(at) {
                self.die(kept.map(|kept: usize| at - kept), &mut done, rng, now);
                return done;
            }
            match output {
                Output::Save => {
                    self.save(outputs[at + 1..].to_vec());
                    kept = Some(at + 1);
                }
                output => done.outputs.push(output.clone()),
            }
        }
        self.disk.rest.clear();
        // What is kept is what a step has led to; its outputs come afterwards.
        done.unsaved = kept.is_none() && self.is_unsaved(now);
        done
    }

    /// The process ends when so many outputs after the last save have been performed, and begins again.
    fn die(&mut self, performed: Option<usize>, done: &mut Done, rng: &mut ChaCha8Rng, now: Timestamp) {
        done.died = true;
        done.undone = performed.is_none();
        self.load();
        if let Some(performed) = performed {
            let rest = std::mem::take(&mut self.disk.rest);
            for (at, output) in rest.into_iter().enumerate() {
                // Lines go out again; what was on the screen is there already.
                let shown = at < performed && matches!(output, Output::Event(_));
                done.outputs.extend((!shown).then_some(output));
            }
        }
        let woken = self.act(rng, now, |session, cx| Ok(session.tick(cx)));
        done.outputs.extend(woken.outputs);
    }

    fn save(&mut self, rest: Vec<Output>) {
        self.disk =
            Disk { account: self.account.save().to_vec(), session: self.session.save().to_vec(), rest };
    }

    /// Whether a client that is opened now with what was kept would be another one than this, after it has done what is due. What
    /// time alone does, such as to forget pieces of messages, need not be kept.
    fn is_unsaved(&self, now: Timestamp) -> bool {
        let (session, account) = (self.session.save(), self.account.save());
        if *session == self.disk.session && *account == self.disk.account {
            return false;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut kept_account = Account::load(&self.disk.account).expect("what was saved");
        let mut kept = Session::load(&self.disk.session, self.setting.policy).expect("what was saved");
        let done = kept.tick(&mut Context { account: &mut kept_account, rng: &mut rng, now });
        !done.is_empty() || kept.save() != session || kept_account.save() != account
    }

    fn load(&mut self) {
        self.account = Account::load(&self.disk.account).expect("what was saved");
        self.session = Session::load(&self.disk.session, self.setting.policy).expect("what was saved");
        self.session.set_max_line(self.setting.max_line).expect("long enough");
    }
}

/// What the messenger calls the two.
pub(crate) const NAMES: [&str; 2] = ["alice@example.org", "bob@example.org"];
