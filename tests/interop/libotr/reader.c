/* What libotr itself makes of a folder of its key files: prints what it reads, signs with each key, and adds an account.
 *
 *     reader DIR            prints keys, fingerprints, instance tags
 *     reader DIR NAME PROTO first gives that account a key and a tag, and writes all files anew
 */
#include <gcrypt.h>
#include <libotr/privkey.h>
#include <libotr/proto.h>
#include <libotr/userstate.h>
#include <stdio.h>
#include <stdlib.h>

static char path[4096];

static const char *in(const char *folder, const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void must(const char *what, gcry_error_t error) {
    if (error) {
        fprintf(stderr, "%s: %s\n", what, gcry_strerror(error));
        exit(1);
    }
}

static void add(OtrlUserState us, const char *folder, const char *name, const char *protocol) {
    must("generate", otrl_privkey_generate(us, in(folder, "otr.private_key"), name, protocol));
    must("tag", otrl_instag_generate(us, in(folder, "otr.instance_tags"), name, protocol));
    must("write", otrl_privkey_write_fingerprints(us, in(folder, "otr.fingerprints")));
}

/* A key whose parts do not belong together signs what its public half does not verify. */
static const char *signs(OtrlPrivKey *key) {
    const unsigned char message[20] = "what is to be signed";
    unsigned char *signature;
    size_t length;
    gcry_sexp_t public;
    must("sign", otrl_privkey_sign(&signature, &length, key, message, sizeof message));
    must("public", gcry_sexp_build(&public, NULL, "%S", key->privkey));
    gcry_error_t wrong =
        otrl_privkey_verify(signature, length, OTRL_PUBKEY_TYPE_DSA, public, message, sizeof message);
    gcry_sexp_release(public);
    free(signature);
    return wrong ? "wrong" : "right";
}

int main(int count, char **arguments) {
    if (count != 2 && count != 4) return 2;
    const char *folder = arguments[1];
    OTRL_INIT;
    gcry_control(GCRYCTL_ENABLE_QUICK_RANDOM, 0);
    OtrlUserState us = otrl_userstate_create();
    must("keys", otrl_privkey_read(us, in(folder, "otr.private_key")));
    must("fingerprints", otrl_privkey_read_fingerprints(us, in(folder, "otr.fingerprints"), NULL, NULL));
    must("tags", otrl_instag_read(us, in(folder, "otr.instance_tags")));
    if (count == 4) add(us, folder, arguments[2], arguments[3]);
    for (OtrlPrivKey *key = us->privkey_root; key; key = key->next) {
        char digits[OTRL_PRIVKEY_FPRINT_HUMAN_LEN];
        otrl_privkey_fingerprint(us, digits, key->accountname, key->protocol);
        printf("key %s|%s|%s|%s\n", key->accountname, key->protocol, digits, signs(key));
    }
    for (ConnContext *context = us->context_root; context; context = context->next) {
        for (Fingerprint *known = context->fingerprint_root.next; known; known = known->next) {
            char digits[OTRL_PRIVKEY_FPRINT_HUMAN_LEN];
            otrl_privkey_hash_to_human(digits, known->fingerprint);
            printf("known %s|%s|%s|%s|%s\n", context->username, context->accountname, context->protocol, digits,
                   known->trust ? known->trust : "none");
        }
    }
    for (OtrlInsTag *tag = us->instag_root; tag; tag = tag->next) {
        printf("tag %s|%s|%08x\n", tag->accountname, tag->protocol, tag->instag);
    }
    otrl_userstate_free(us);
    return 0;
}
