//! A client of the library `otrv4`: a story to watch, everyday commands, and a line protocol for other programs.

mod arguments;
mod demo;
mod everyday;
mod forge;
mod harmless;
mod inspect;
mod keep;
mod network;
mod passphrase;
mod perform;
mod pieces;
mod pipe;
mod prekeys;
mod records;
mod relay;
mod screen;
mod system;

use std::process::ExitCode;

use arguments::{
    Arguments, Command, ExportArguments, ImportArguments, PolicyArguments, TrustArguments, VerifyArguments,
};
use clap::Parser;
use everyday::{Choice, EverydayError, Export, Import, PolicyChange, SmpStep, TrustChange, Whom};
use network::Network;
use otrv4::Timestamp;
use otrv4::keys::ForgingSecret;

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Demo => demo::run()?,
        Command::Init { place, account, forging_key } => {
            everyday::init(&place.into(), &account, forging_key.map(ForgingSecret::from))?;
        }
        Command::Publish { place, server, count } => {
            everyday::publish(&place.into(), &server.into(), count.map(usize::from))?;
        }
        Command::Status { place, network } => {
            everyday::status(&place.into(), network.as_deref().map(Network::new).as_ref())?;
        }
        Command::Send { place, server, oblivious, network, contact, client, text } => {
            let whom = Whom { contact, client };
            let choice = Choice { relay: oblivious, ..server.into() };
            everyday::send(&place.into(), &network.open(), &choice, &whom, &text)?;
        }
        Command::Receive { place, network, shuffle } => {
            everyday::receive(&place.into(), &network.open(), shuffle)?;
        }
        Command::Contacts { place } => everyday::contacts(&place.into())?,
        Command::Fingerprint { place, contact } => everyday::fingerprint(&place.into(), contact.as_deref())?,
        Command::Verify(arguments) => verify(arguments)?,
        Command::Trust(TrustArguments { place, contact, forget, distrust, reset_failed }) => {
            let change = TrustChange { forget, distrust, reset_failed };
            everyday::trust(&place.into(), contact.as_deref(), &change)?;
        }
        Command::Policy(PolicyArguments { place, contact, reset, set }) => {
            everyday::policy(&place.into(), contact.as_deref(), PolicyChange { reset, set: set.0 })?;
        }
        Command::ImportLibotr(ImportArguments { place, folder, client, which, replace }) => {
            let import = Import { folder, client, which: which.into(), replace };
            everyday::import_libotr(&place.into(), import)?;
        }
        Command::ExportLibotr(arguments) => {
            let ExportArguments { place, folder, client, which, instance_tag, overwrite } = arguments;
            let export = Export { folder, client, which: which.into(), instance_tag, overwrite };
            everyday::export_libotr(&place.into(), export)?;
        }
        Command::Forge(arguments) => forge::run(arguments)?,
        Command::Inspect(arguments) => inspect::run(arguments)?,
        Command::Pipe(arguments) => {
            let passphrase = passphrase::given(arguments.passphrase_file.as_deref())?;
            pipe::run(pipe::Options {
                account: arguments.account,
                contact: arguments.contact,
                versions: arguments.versions,
                mtu: Some(arguments.mtu).filter(|limit| *limit > 0),
                home: arguments.home,
                passphrase,
                now: arguments.now.map(Timestamp::from_unix),
            })?;
        }
    }
    Ok(())
}

fn verify(arguments: VerifyArguments) -> Result<(), EverydayError> {
    let VerifyArguments { place, contact, client, by_hand, fingerprint, unseen, .. } = arguments;
    let (place, whom) = (place.into(), Whom { contact, client });
    if by_hand {
        return everyday::verify_by_hand(&place, &whom, fingerprint, unseen);
    }
    let step = match (arguments.ask, arguments.shared_secret, arguments.answer, arguments.abort) {
        (Some(question), ..) => SmpStep::Ask(question),
        (None, true, ..) => SmpStep::Ask(String::new()),
        (None, _, true, _) => SmpStep::Answer,
        (None, _, _, true) => SmpStep::Abort,
        _ => return everyday::verify(&place, &whom),
    };
    let network = arguments.network.as_deref().map(Network::new).ok_or(EverydayError::NoNetwork)?;
    everyday::verify_by_smp(&place, &network, &whom, &step, arguments.secret_file.as_deref())
}
