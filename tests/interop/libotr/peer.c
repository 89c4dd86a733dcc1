/*
 * A peer made of libotr, for tests: one account, one correspondent, commands on stdin and answers on stdout, as
 * `client-demo pipe` has them. Another program carries the lines.
 *
 *     libotr-peer --account ME --contact THEM --home DIR [--versions 2|3|23] [--mtu N]
 *
 * The home folder keeps otr.private_key, otr.fingerprints and otr.instance_tags, and no conversation: a peer that is
 * started again has lost its own, as every program with libotr has.
 *
 * Its commands are those of `pipe` that libotr can do, and
 *
 *     policy <words>            what is allowed, and done without being asked, from now on: v2, v3, require-encryption,
 *                               send-whitespace-tag, whitespace-start-ake, error-start-ake
 *     tlv <type> <hex> <text>   sends a text with a record; both may be empty
 *
 * libotr has no call for a heartbeat: `heartbeat` sends an empty text, which is one but for the flag
 * IGNORE_UNREADABLE. Beside the outputs of `pipe` there are `event resent`, and `event heartbeat` for one that came.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <libotr/privkey.h>

#include "peer.h"
#include "words.h"

struct peer peer = {
    .policy = OTRL_POLICY_ALLOW_V2 | OTRL_POLICY_ALLOW_V3 | OTRL_POLICY_WHITESPACE_START_AKE
              | OTRL_POLICY_ERROR_START_AKE,
};

/* The conversation that commands are for: the most private and most recent. NULL before the first line. */
static ConnContext *conversation(void)
{
    return otrl_context_find(peer.state, peer.contact, peer.account, PROTOCOL, OTRL_INSTAG_BEST, 0, NULL, NULL,
                             NULL);
}

/* The same if it is encrypted; complains if not. */
static ConnContext *encrypted(void)
{
    ConnContext *context = conversation();
    if (context && context->msgstate == OTRL_MSGSTATE_ENCRYPTED)
        return context;
    say("err there is no encrypted conversation", NULL);
    return NULL;
}

/* Sends a text, encrypted or not as libotr decides. */
static void send_with(const char *text, OtrlTLV *records)
{
    char *message = NULL;
    gcry_error_t error = otrl_message_sending(peer.state, &operations, NULL, peer.account, PROTOCOL, peer.contact,
                                              OTRL_INSTAG_BEST, text, records, &message, OTRL_FRAGMENT_SEND_ALL,
                                              NULL, NULL, NULL);
    if (error)
        say("err", gcry_strerror(error));
    else if (!message)
        say("out", text);
    otrl_message_free(message);
}

static void send_text(char *text)
{
    send_with(text, NULL);
}

static void send_heartbeat(char *nothing)
{
    (void)nothing;
    if (encrypted())
        send_with("", NULL);
}

static void send_query(char *nothing)
{
    (void)nothing;
    /* libotr puts its own words in the place of any query. */
    send_with("?OTRv23?", NULL);
}

static void send_tagged(char *text)
{
    OtrlPolicy before = peer.policy;
    peer.policy |= OTRL_POLICY_SEND_WHITESPACE_TAG;
    send_with(text, NULL);
    peer.policy = before;
}

static void send_record(char *words)
{
    char *end;
    unsigned long type = strtoul(words, &end, 10);
    char *data = *end == ' ' ? end + 1 : end;
    char *text = strchr(data, ' ');
    size_t length;
    if (end == words || type > 0xffff || !text) {
        say("err tlv <type> <hex> <text>", NULL);
        return;
    }
    *text++ = '\0';
    if (!read_hex(data, &length) || length > 0xffff) {
        say("err tlv <type> <hex> <text>", NULL);
        return;
    }
    OtrlTLV *record = otrl_tlv_new((unsigned short)type, (unsigned short)length, (unsigned char *)data);
    if (encrypted())
        send_with(text, record);
    otrl_tlv_free(record);
}

static void receive(char *line)
{
    char *text = NULL;
    OtrlTLV *records = NULL;
    ConnContext *context = NULL;
    peer.without_text = false;
    bool is_for_libotr = otrl_message_receiving(peer.state, &operations, NULL, peer.account, PROTOCOL, peer.contact, line,
                                          &text, &records, &context, NULL, NULL);
    if (peer.without_text && !records)
        say("event heartbeat", NULL);
    if (otrl_tlv_find(records, OTRL_TLV_DISCONNECTED))
        sayf("event finished %08x", context->their_instance);
    if (!is_for_libotr && text && otrl_proto_message_type(line) != OTRL_MSGTYPE_TAGGEDPLAINTEXT)
        say("plain", text);
    else if (!is_for_libotr)
        say("event cleartext", text ? text : line);
    otrl_tlv_free(records);
    otrl_message_free(text);
}

static void start_smp(char *words)
{
    char *secret = strchr(words, '|');
    if (!secret) {
        say("err smp-start <question>|<secret>", NULL);
        return;
    }
    *secret++ = '\0';
    ConnContext *context = encrypted();
    if (!context)
        return;
    const unsigned char *bytes = (const unsigned char *)secret;
    if (*words)
        otrl_message_initiate_smp_q(peer.state, &operations, NULL, context, words, bytes, strlen(secret));
    else
        otrl_message_initiate_smp(peer.state, &operations, NULL, context, bytes, strlen(secret));
    peer.asks = NULL;
}

static void respond_to_smp(char *secret)
{
    if (!peer.asks) {
        say("err nobody asks", NULL);
        return;
    }
    otrl_message_respond_smp(peer.state, &operations, NULL, peer.asks, (const unsigned char *)secret,
                             strlen(secret));
    peer.asks = NULL;
}

static void abort_smp(char *nothing)
{
    (void)nothing;
    ConnContext *context = encrypted();
    if (!context)
        return;
    otrl_message_abort_smp(peer.state, &operations, NULL, context);
    peer.asks = NULL;
    say("event smp-aborted", NULL);
}

static void end(char *nothing)
{
    (void)nothing;
    otrl_message_disconnect_all_instances(peer.state, &operations, NULL, peer.account, PROTOCOL, peer.contact);
    peer.asks = NULL;
}

static void send_extra_key(char *words)
{
    unsigned int use;
    size_t length;
    char *data = strchr(words, ' ');
    if (data)
        *data++ = '\0';
    else
        data = words + strlen(words);
    if (!read_tag(words, &use) || !read_hex(data, &length)) {
        say("err extra-key <use: 8 hex digits> [data in hex]", NULL);
        return;
    }
    ConnContext *context = encrypted();
    unsigned char key[OTRL_EXTRAKEY_BYTES];
    const unsigned char *bytes = (const unsigned char *)data;
    if (context && !otrl_message_symkey(peer.state, &operations, NULL, context, use, bytes, length, key))
        say_extra_key(use, bytes, length, key);
}

static void tell_state(char *nothing)
{
    (void)nothing;
    ConnContext *context = conversation();
    char who[WHO_LENGTH];
    if (!context || context->msgstate == OTRL_MSGSTATE_PLAINTEXT) {
        say("event state plaintext", NULL);
    } else if (context->msgstate == OTRL_MSGSTATE_FINISHED) {
        sayf("event state %08x finished", context->their_instance);
    } else {
        write_who(who, context);
        bool verified = otrl_context_is_fingerprint_trusted(context->active_fingerprint);
        sayf("event state %08x encrypted v%u %s verified=%s", context->their_instance, context->protocol_version, who,
             verified ? "smp" : "no");
    }
}

static bool set_mtu(const char *words)
{
    char *end;
    long mtu = strtol(words, &end, 10);
    /* libotr counts fragments wrong where nothing fits between their commas. */
    if (end == words || *end || mtu < 0 || (mtu > 0 && mtu < 64) || mtu > 65535)
        return false;
    peer.mtu = (int)mtu;
    return true;
}

static void change_mtu(char *words)
{
    if (!set_mtu(words))
        say("err mtu <bytes>, 64 or more, or 0 for no limit", NULL);
}

static void change_policy(char *words)
{
    static const struct {
        const char *word;
        OtrlPolicy bit;
    } known[] = {
        { "v2", OTRL_POLICY_ALLOW_V2 },
        { "v3", OTRL_POLICY_ALLOW_V3 },
        { "require-encryption", OTRL_POLICY_REQUIRE_ENCRYPTION },
        { "send-whitespace-tag", OTRL_POLICY_SEND_WHITESPACE_TAG },
        { "whitespace-start-ake", OTRL_POLICY_WHITESPACE_START_AKE },
        { "error-start-ake", OTRL_POLICY_ERROR_START_AKE },
    };
    OtrlPolicy policy = OTRL_POLICY_NEVER;
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(word, known[i].word) != 0)
            i++;
        if (i == sizeof known / sizeof *known) {
            say("err no policy is called", word);
            return;
        }
        policy |= known[i].bit;
    }
    peer.policy = policy;
}

static void quit(char *nothing)
{
    (void)nothing;
    say("event done", NULL);
    exit(EXIT_SUCCESS);
}

/* Does what one line asks for. */
static void obey(char *line)
{
    static const struct {
        const char *word;
        void (*command)(char *rest);
    } commands[] = {
        { "query", send_query },
        { "whitespace", send_tagged },
        { "recv", receive },
        { "send", send_text },
        { "smp-start", start_smp },
        { "smp-respond", respond_to_smp },
        { "smp-abort", abort_smp },
        { "end", end },
        { "heartbeat", send_heartbeat },
        { "extra-key", send_extra_key },
        { "tlv", send_record },
        { "state", tell_state },
        { "mtu", change_mtu },
        { "policy", change_policy },
        { "quit", quit },
    };
    char *rest = strchr(line, ' ');
    if (rest)
        *rest++ = '\0';
    else
        rest = line + strlen(line);
    if (!unescape(rest)) {
        say("err after \\ only \\ or n may stand", NULL);
        return;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(line, commands[i].word) == 0) {
            commands[i].command(rest);
            return;
        }
    }
    say("err unknown command", NULL);
}

static void fail(const char *why)
{
    fprintf(stderr, "libotr-peer: %s\n", why);
    exit(EXIT_FAILURE);
}

/* A file of the home folder. */
static char *in_home(const char *home, const char *name)
{
    size_t length = strlen(home) + strlen(name) + 2;
    char *path = malloc(length);
    if (!path)
        fail("no memory");
    snprintf(path, length, "%s/%s", home, name);
    return path;
}

static void read_options(int count, char **words)
{
    const char *home = NULL;
    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(words[i], "--account") == 0) {
            peer.account = words[i + 1];
        } else if (strcmp(words[i], "--contact") == 0) {
            peer.contact = words[i + 1];
        } else if (strcmp(words[i], "--home") == 0) {
            home = words[i + 1];
        } else if (strcmp(words[i], "--versions") == 0) {
            peer.policy &= ~(OtrlPolicy)OTRL_POLICY_VERSION_MASK;
            peer.policy |= strchr(words[i + 1], '2') ? OTRL_POLICY_ALLOW_V2 : 0;
            peer.policy |= strchr(words[i + 1], '3') ? OTRL_POLICY_ALLOW_V3 : 0;
        } else if (strcmp(words[i], "--mtu") != 0 || !set_mtu(words[i + 1])) {
            fail("--account ME --contact THEM --home DIR [--versions 2|3|23] [--mtu N]");
        }
    }
    if (count % 2 == 0 || !peer.account || !peer.contact || !home)
        fail("--account ME --contact THEM --home DIR [--versions 2|3|23] [--mtu N]");
    peer.keys = in_home(home, "otr.private_key");
    peer.fingerprints = in_home(home, "otr.fingerprints");
    peer.tags = in_home(home, "otr.instance_tags");
}

/* Reads the home folder; makes a key and a tag where there are none. */
static void open_home(void)
{
    peer.state = otrl_userstate_create();
    otrl_privkey_read(peer.state, peer.keys);
    otrl_privkey_read_fingerprints(peer.state, peer.fingerprints, NULL, NULL);
    otrl_instag_read(peer.state, peer.tags);
    if (!otrl_privkey_find(peer.state, peer.account, PROTOCOL)
        && otrl_privkey_generate(peer.state, peer.keys, peer.account, PROTOCOL))
        fail("no key");
    if (!otrl_instag_find(peer.state, peer.account, PROTOCOL)
        && otrl_instag_generate(peer.state, peer.tags, peer.account, PROTOCOL))
        fail("no instance tag");
}

static void greet(void)
{
    unsigned char fingerprint[20];
    char hex[41];
    if (!otrl_privkey_fingerprint_raw(peer.state, fingerprint, peer.account, PROTOCOL))
        fail("no fingerprint");
    write_hex(hex, fingerprint, sizeof fingerprint);
    sayf("event ready libotr-peer tag=%08x fingerprint=%s",
         otrl_instag_find(peer.state, peer.account, PROTOCOL)->instag, hex);
}

static void end_answer(void)
{
    say("event done", NULL);
    fflush(stdout);
}

int main(int count, char **words)
{
    /* A key of a test may come from a generator that need not wait. It is chosen before libotr uses any. */
    gcry_control(GCRYCTL_ENABLE_QUICK_RANDOM, 0);
    OTRL_INIT;
    read_options(count, words);
    open_home();
    greet();
    end_answer();

    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, stdin)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        otrl_message_poll(peer.state, &operations, NULL);
        obey(line);
        end_answer();
    }
    free(line);
    otrl_userstate_free(peer.state);
    return EXIT_SUCCESS;
}
