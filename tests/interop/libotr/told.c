#include <stdio.h>
#include <stdlib.h>

#include <libotr/privkey.h>

#include "peer.h"
#include "words.h"

void write_who(char words[WHO_LENGTH], const ConnContext *context)
{
    char fingerprint[41], ssid[17];
    write_hex(fingerprint, context->active_fingerprint->fingerprint, 20);
    write_hex(ssid, context->sessionid, 8);
    snprintf(words, WHO_LENGTH, "fingerprint=%s ssid=%s", fingerprint, ssid);
}

void say_extra_key(unsigned int use, const unsigned char *data, size_t length, const unsigned char *key)
{
    char key_hex[2 * OTRL_EXTRAKEY_BYTES + 1];
    char *data_hex = malloc(2 * length + 1);
    if (!data_hex)
        abort();
    write_hex(key_hex, key, OTRL_EXTRAKEY_BYTES);
    write_hex(data_hex, data, length);
    sayf("event extra-key %08x %s%s%s", use, key_hex, length ? " " : "", data_hex);
    free(data_hex);
}

static OtrlPolicy policy(void *data, ConnContext *context)
{
    (void)data, (void)context;
    return peer.policy;
}

static int is_logged_in(void *data, const char *account, const char *protocol, const char *contact)
{
    (void)data, (void)account, (void)protocol, (void)contact;
    return 1;
}

static void inject_message(void *data, const char *account, const char *protocol, const char *contact,
                           const char *line)
{
    (void)data, (void)account, (void)protocol, (void)contact;
    /* An empty one stands for a text that libotr has refused. */
    if (*line)
        say("out", line);
}

static int max_message_size(void *data, ConnContext *context)
{
    (void)data, (void)context;
    return peer.mtu;
}

static void new_fingerprint(void *data, OtrlUserState state, const char *account, const char *protocol,
                            const char *contact, unsigned char fingerprint[20])
{
    (void)data, (void)state, (void)account, (void)protocol, (void)contact;
    char hex[41];
    write_hex(hex, fingerprint, 20);
    sayf("event fingerprint new %s", hex);
}

static void write_fingerprints(void *data)
{
    (void)data;
    otrl_privkey_write_fingerprints(peer.state, peer.fingerprints);
}

static void gone_secure(void *data, ConnContext *context)
{
    (void)data;
    char who[WHO_LENGTH];
    write_who(who, context);
    sayf("event secure %08x v%u %s", context->their_instance, context->protocol_version, who);
}

static void still_secure(void *data, ConnContext *context, int initiated)
{
    (void)initiated;
    gone_secure(data, context);
}

static void received_symkey(void *data, ConnContext *context, unsigned int use, const unsigned char *use_data,
                            size_t length, const unsigned char *key)
{
    (void)data, (void)context;
    say_extra_key(use, use_data, length, key);
}

static const char *otr_error_message(void *data, ConnContext *context, OtrlErrorCode code)
{
    (void)data, (void)context;
    switch (code) {
    case OTRL_ERRCODE_ENCRYPTION_ERROR:
        return "encryption failed";
    case OTRL_ERRCODE_MSG_NOT_IN_PRIVATE:
        return "not in a private conversation";
    case OTRL_ERRCODE_MSG_UNREADABLE:
        return "unreadable message";
    case OTRL_ERRCODE_MSG_MALFORMED:
        return "malformed message";
    case OTRL_ERRCODE_NONE:
        break;
    }
    return "error";
}

static void smp_event(void *data, OtrlSMPEvent event, ConnContext *context, unsigned short percent, char *question)
{
    (void)percent;
    peer.asks = NULL;
    switch (event) {
    case OTRL_SMPEVENT_ASK_FOR_ANSWER:
    case OTRL_SMPEVENT_ASK_FOR_SECRET:
        peer.asks = context;
        say("event smp-ask", question ? question : "");
        break;
    case OTRL_SMPEVENT_SUCCESS:
        say("event smp-success", NULL);
        break;
    case OTRL_SMPEVENT_FAILURE:
        say("event smp-failure", NULL);
        break;
    case OTRL_SMPEVENT_ABORT:
        say("event smp-aborted", NULL);
        break;
    case OTRL_SMPEVENT_CHEATED:
    case OTRL_SMPEVENT_ERROR:
        /* libotr leaves the abort to its application. */
        otrl_message_abort_smp(peer.state, &operations, data, context);
        say("event smp-aborted", NULL);
        break;
    case OTRL_SMPEVENT_IN_PROGRESS:
    case OTRL_SMPEVENT_NONE:
        break;
    }
}

static void message_event(void *data, OtrlMessageEvent event, ConnContext *context, const char *message,
                          gcry_error_t error)
{
    (void)data, (void)context;
    switch (event) {
    case OTRL_MSGEVENT_ENCRYPTION_REQUIRED:
        say("event queued", NULL);
        break;
    case OTRL_MSGEVENT_ENCRYPTION_ERROR:
        say("err encryption failed", NULL);
        break;
    case OTRL_MSGEVENT_CONNECTION_ENDED:
        say("err the correspondent has ended the conversation", NULL);
        break;
    case OTRL_MSGEVENT_SETUP_ERROR:
        say("event rejected setup:", gcry_strerror(error));
        break;
    case OTRL_MSGEVENT_MSG_REFLECTED:
        say("event rejected reflected", NULL);
        break;
    case OTRL_MSGEVENT_MSG_RESENT:
        say("event resent", NULL);
        break;
    case OTRL_MSGEVENT_RCVDMSG_NOT_IN_PRIVATE:
        say("event rejected not-in-private", NULL);
        break;
    case OTRL_MSGEVENT_RCVDMSG_UNREADABLE:
        say("event rejected unreadable", NULL);
        break;
    case OTRL_MSGEVENT_RCVDMSG_MALFORMED:
        say("event rejected malformed", NULL);
        break;
    case OTRL_MSGEVENT_RCVDMSG_UNRECOGNIZED:
        say("event rejected unrecognized", NULL);
        break;
    case OTRL_MSGEVENT_RCVDMSG_FOR_OTHER_INSTANCE:
        say("event rejected for-other-instance", NULL);
        break;
    case OTRL_MSGEVENT_RCVDMSG_GENERAL_ERR:
        say("event otr-error", message);
        break;
    case OTRL_MSGEVENT_RCVDMSG_UNENCRYPTED:
        say("event warn-unencrypted", message);
        break;
    case OTRL_MSGEVENT_LOG_HEARTBEAT_RCVD:
        peer.without_text = true;
        break;
    case OTRL_MSGEVENT_LOG_HEARTBEAT_SENT:
    case OTRL_MSGEVENT_NONE:
        break;
    }
}

const OtrlMessageAppOps operations = {
    .policy = policy,
    .is_logged_in = is_logged_in,
    .inject_message = inject_message,
    .new_fingerprint = new_fingerprint,
    .write_fingerprints = write_fingerprints,
    .gone_secure = gone_secure,
    .still_secure = still_secure,
    .max_message_size = max_message_size,
    .received_symkey = received_symkey,
    .otr_error_message = otr_error_message,
    .handle_smp_event = smp_event,
    .handle_msg_event = message_event,
};
