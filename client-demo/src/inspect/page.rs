//! A report as one page of HTML that needs nothing else: no network, no script. The template escapes everything that comes
//! from the lines, and the page forbids itself to load or to run anything.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::forgery::Forger;
use super::observer::list;
use super::opened::Opened;
use super::report::{Entry, Field, Message, Report, Value};
use super::text::{SHOWN, key_sentences, title};
use super::timeline::Conversation;
use crate::harmless::{line, name};

pub(super) fn of(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "OTR transcript: what is in it, and who could forge it" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "What is in this transcript, and who could forge it" }
                    p {
                        "Made by " code { "client-demo inspect" } " from the lines alone, with no keys but those that the lines \
                         reveal, and chain keys where the transcript gives them. " (report.checked)
                    }
                    nav aria-label="Parts of this page" {
                        a href="#timeline" { "Timeline" } " "
                        a href="#observer" { "What an observer learns" } " "
                        a href="#lines" { "Line by line" }
                    }
                }
                main {
                    (timeline(report))
                    (observer(report))
                    h2 #lines { "Line by line" }
                    @for entry in &report.lines { (article(entry)) }
                }
            }
        }
    };
    page.into_string()
}

fn timeline(report: &Report) -> Markup {
    html! {
        section aria-labelledby="timeline" {
            h2 #timeline { "Timeline" }
            @for (conversation, number) in report.conversations.iter().zip(1..) { (about(number, conversation)) }
            div.scroll tabindex="0" role="region" aria-labelledby="every-line" {
                table {
                    caption #every-line { "Every line, in the order of the transcript" }
                    thead {
                        tr {
                            th scope="col" { "Line" }
                            th scope="col" { "Sender" }
                            th scope="col" { "What" }
                            th scope="col" { "Where in the conversation" }
                            th scope="col" { "MAC keys" }
                            th scope="col" { "Who can forge it now" }
                        }
                    }
                    tbody { @for entry in &report.lines { (row(entry)) } }
                }
            }
        }
    }
}

fn about(number: usize, conversation: &Conversation) -> Markup {
    html! {
        div.card {
            h3 { "Conversation " (number) ", version " (conversation.version) }
            ul {
                @if !conversation.between.is_empty() { li { "between " (line(&conversation.between.join(" and "))) } }
                li { "begun " (conversation.begins)
                    @if !conversation.exchange.is_empty() { " (" (list(&conversation.exchange)) ")" }
                }
                li { (conversation.messages.len()) " data messages; anybody can change "
                    strong { (conversation.changeable) } " of them now" }
                li { (conversation.end) }
            }
        }
    }
}

fn row(entry: &Entry) -> Markup {
    let step = entry.step.as_ref();
    html! {
        tr {
            th scope="row" { a href={ "#line-" (entry.number) } { (entry.number) } }
            td.who {
                (entry.sender.as_deref().map_or_else(|| "–".to_owned(), name))
                @if let Some(time) = entry.time() { br; span.dim { (time) } }
            }
            td { (what(entry)) }
            td {
                @if let Some(step) = step {
                    (step.place)
                    @if let Some(turn) = step.turn { br; span.dim { (turn) } }
                }
            }
            td { @for said in key_sentences(entry) { span.said { (said) } } }
            td { (badge(entry)) }
        }
    }
}

fn what(entry: &Entry) -> Markup {
    html! {
        (entry.main().name)
        @if entry.whole.is_some() { br; span.dim { "put together from " (list(&entry.pieces)) } }
        @else if let (Some(index), Some(total)) = (entry.message.number("index"), entry.message.number("total")) {
            br; span.dim { (index) " of " (total) }
        }
    }
}

/// Who could forge it, in a colour and always in words.
fn badge(entry: &Entry) -> Markup {
    let class = match entry.forgery.by {
        Forger::Anybody => "badge anybody",
        Forger::WhoeverHasTheTranscript => "badge transcript",
        Forger::WhoeverMakesUpTheExchange => "badge exchange",
        Forger::TheTwo => "badge two",
        Forger::AnybodyUnlessOpened => "badge signer",
        Forger::NotKnown => "badge unknown",
    };
    html! { span class=(class) { (entry.forgery.short) } }
}

fn observer(report: &Report) -> Markup {
    html! {
        section aria-labelledby="observer" {
            h2 #observer { "What an observer learns" }
            div.columns {
                div.card {
                    h3 { "Visible to everybody" }
                    ul { @for learnt in &report.observer.learns { li { (line(learnt)) } } }
                }
                @if !report.observer.does_not_learn.is_empty() {
                    div.card {
                        h3 { "Not visible" }
                        ul { @for hidden in &report.observer.does_not_learn { li { (hidden) } } }
                    }
                }
            }
        }
    }
}

fn article(entry: &Entry) -> Markup {
    let heading = format!("line-{}", entry.number);
    html! {
        article.card aria-labelledby=(heading) {
            h3 id=(heading) { (entry.number) " · " (line(&title(entry))) }
            p { (entry.main().about) }
            @for said in key_sentences(entry) { p.dim { (said) } }
            p { strong { "Who can forge it now: " } (badge(entry)) " " (entry.forgery.why) }
            @if let Some(Opened { text, records }) = &entry.opened {
                p { "With the chain key that the transcript gives it says: " q { (line(text)) } }
                @for record in records { p.dim { (record.words()) } }
            }
            (fields(&entry.message, &format!("Fields of line {}", entry.number)))
            @if let Some(whole) = &entry.whole {
                p { "The whole message, from " (list(&entry.pieces)) ":" }
                (fields(whole, &format!("Fields of the message that line {} completes", entry.number)))
            }
            details { summary { "The line as it was" } pre.raw { (line(&entry.line)) } }
        }
    }
}

fn fields(message: &Message, caption: &str) -> Markup {
    html! {
        details {
            summary { "Fields: " (message.fields.len()) }
            div.scroll tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption { (caption) }
                    thead {
                        tr {
                            th scope="col" { "Field" }
                            th scope="col" { "Type" }
                            th scope="col" { "Value" }
                            th scope="col" { "What it is" }
                        }
                    }
                    tbody { @for field in &message.fields { (cells(field)) } }
                }
            }
        }
        @if let Some(error) = &message.error { p.damaged { "Damaged: " (error) } }
    }
}

fn cells(field: &Field) -> Markup {
    html! {
        tr {
            th scope="row" { (field.name) }
            td { (field.kind) }
            td {
                (value(&field.value))
                @if let Some(meaning) = &field.meaning { br; span { (line(meaning)) } }
            }
            td { (field.explanation) }
        }
    }
}

fn value(value: &Value) -> Markup {
    match value {
        Value::Number(number) => html! { (number) },
        Value::Text(text) => html! { (line(text)) },
        Value::Bytes(hex) if hex.is_empty() => html! { span.dim { "empty" } },
        Value::Bytes(hex) => match hex.get(..SHOWN) {
            Some(beginning) if hex.len() > SHOWN => html! {
                details {
                    summary { code { (beginning) "…" } " " span.dim { (hex.len() / 2) " bytes" } }
                    code.whole { (hex) }
                }
            },
            _ => html! { code { (hex) } },
        },
    }
}

const STYLE: &str = include_str!("page.css");
