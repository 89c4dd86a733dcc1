//! What an operator does with accounts. Tokens go to standard output, alone on a line; everything else that is said goes to
//! standard error.

use crate::Done;
use crate::arguments::{Account, Whose};
use otrv4::prekey_server::ServerIdentity;
use prekey_server::account::{Identity, Token, TokenHash};
use prekey_server::store::{MAX_TOKENS, Names, PAGE, Registered, Store, StoredName};
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

pub(crate) async fn run<S: Store>(store: S, hashed_by: Option<&ServerIdentity>, command: Account) -> Done {
    let done = ask(&store, hashed_by, command).await;
    store.close().await;
    done
}

async fn ask(store: &impl Store, hashed_by: Option<&ServerIdentity>, command: Account) -> Done {
    match command {
        Account::Add { identity } => add(store, &store.names(hashed_by).await?, &identity).await,
        Account::List => list(store).await,
        Account::Remove { account: Whose::Identity(identity) } => {
            let name = store.names(hashed_by).await?.of(&identity);
            remove(store, &name, identity.as_str()).await
        }
        Account::Remove { account: Whose::Hash(name) } => remove(store, &name, name.as_str()).await,
        Account::Token { identity, keep } => {
            token(store, &store.names(hashed_by).await?, &identity, keep).await
        }
    }
}

async fn add(store: &impl Store, names: &Names, identity: &Identity) -> Done {
    let (token, hash) = fresh(identity);
    match store.register(&names.of(identity), Some(&hash), prekey_server::now()).await? {
        Registered::Created => print(&token),
        Registered::Taken => {
            Err(format!("{} has an account; `account token` gives it a new token", identity.as_str()).into())
        }
    }
}

async fn list(store: &impl Store) -> Done {
    let mut out = io::stdout().lock();
    let (mut last, mut hashed) = (None, false);
    loop {
        let page = store.accounts(last.as_ref()).await?;
        for account in &page {
            hashed |= account.identity.is_hash();
            let made = UNIX_EPOCH + Duration::from_secs(account.created.unix().try_into().unwrap_or(0));
            let made = humantime::format_rfc3339_seconds(made);
            let (name, tokens) = (account.identity.as_str(), account.tokens);
            writeln!(out, "{name}\t{made}\t{tokens}\t{}\t{}", account.devices, account.prekeys)?;
        }
        match page.last() {
            Some(account) if page.len() == PAGE => last = Some(account.identity.clone()),
            _ => break,
        }
    }
    if hashed {
        eprintln!(
            "identities are hashed (hash_identities): the database does not hold the names, so none can be shown"
        );
    }
    Ok(())
}

async fn remove(store: &impl Store, name: &StoredName, shown: &str) -> Done {
    if store.remove(name).await? { Ok(()) } else { Err(unknown(shown)) }
}

async fn token(store: &impl Store, names: &Names, identity: &Identity, keep: bool) -> Done {
    let ((token, hash), now) = (fresh(identity), prekey_server::now());
    let name = &names.of(identity);
    if !keep {
        return if store.replace_tokens(name, &hash, now).await? {
            print(&token)
        } else {
            Err(unknown(identity.as_str()))
        };
    }
    if store.add_token(name, &hash, now).await? {
        return print(&token);
    }
    if store.tokens(name).await?.len() >= MAX_TOKENS {
        return Err(format!("{} has {MAX_TOKENS} tokens; without --keep they end", identity.as_str()).into());
    }
    Err(unknown(identity.as_str()))
}

fn fresh(identity: &Identity) -> (Token, TokenHash) {
    let token = Token::generate(identity.clone(), &mut prekey_server::rng());
    let hash = token.hash();
    (token, hash)
}

fn print(token: &Token) -> Done {
    Ok(writeln!(io::stdout(), "{}", token.to_text().as_str())?)
}

fn unknown(shown: &str) -> Box<dyn std::error::Error> {
    format!("{shown} has no account; `account list` prints those there are").into()
}
