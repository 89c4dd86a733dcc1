//! A session as bytes, a version first. Used by applications, which encrypt and keep them.

use zeroize::Zeroizing;

use super::ake::OpenCommit;
use super::early::Early;
use super::instance::Instance;
use super::resend::LastText;
use super::start::OpenIdentity;
use super::{Policy, Session};
use crate::account::ContactKey;
use crate::wire::{Assembler, InstanceTag, Reader, Writer};
use crate::{LoadError, Timestamp};

impl Session {
    /// The session as bytes: secret, wiped when dropped. Policy and line length are the application's settings and
    /// not among them.
    pub fn save(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            correspondent,
            policy: _,
            max_line: _,
            instances,
            selected,
            partners,
            identity,
            commit,
            last_text,
            asked_until,
            queue,
            ended,
            tag_refused,
            offered_until,
            was_interactive,
            error_at,
            assembler,
            early,
        } = self;
        let mut w = Writer::new();
        w.byte(SAVED_VERSION).data(correspondent.as_bytes());
        w.list(instances, |w, (tag, instance)| {
            tag.write(w);
            instance.save(w);
        });
        w.list(selected, |w, tag| tag.write(w));
        w.list(partners, |w, key| key.save(w));
        w.option(identity.as_ref(), |w, open| open.save(w));
        w.option(commit.as_ref(), |w, open| open.save(w));
        w.option(last_text.as_ref(), |w, last| last.save(w));
        w.option(*asked_until, |w, until| until.save(w));
        w.list(queue, |w, text| _ = w.data(text.as_bytes()));
        w.byte((*ended).into()).byte((*tag_refused).into()).byte((*was_interactive).into());
        w.option(*offered_until, |w, until| until.save(w));
        w.option(*error_at, |w, at| at.save(w));
        assembler.save(&mut w);
        early.save(&mut w);
        w.finish_secret()
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(bytes: &[u8], policy: Policy) -> Result<Self, LoadError> {
        let mut r = Reader::new(bytes);
        match r.byte("version")? {
            SAVED_VERSION => {}
            version => return Err(LoadError::Version(version)),
        }
        let mut session = Self::new(&r.text("correspondent")?, policy);
        session.instances = r.map(|r| Ok::<_, LoadError>((InstanceTag::load(r)?, Instance::load(r)?)))?;
        session.selected = r.list(InstanceTag::load)?;
        session.partners = r.list(ContactKey::load)?;
        session.identity = r.option(OpenIdentity::load)?;
        session.commit = r.option(OpenCommit::load)?;
        session.last_text = r.option(LastText::load)?;
        session.asked_until = r.option(Timestamp::load)?;
        session.queue = r.list(|r| r.text("queued text"))?.into();
        (session.ended, session.tag_refused) = (r.flag("ended")?, r.flag("tag refused")?);
        session.was_interactive = r.flag("was interactive")?;
        session.offered_until = r.option(Timestamp::load)?;
        session.error_at = r.option(Timestamp::load)?;
        session.assembler = Assembler::load(&mut r)?;
        session.early = Early::load(&mut r)?;
        r.end()?;
        Ok(session)
    }
}

const SAVED_VERSION: u8 = 3;
