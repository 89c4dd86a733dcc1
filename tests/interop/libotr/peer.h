/*
 * The one account with its one correspondent, and what libotr tells of them.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>

/* Before message.h, which does not include what it needs. */
#include <libotr/proto.h>

#include <libotr/message.h>

/* libotr takes any name for the network. */
#define PROTOCOL "test"

struct peer {
    const char *account;
    const char *contact;
    OtrlUserState state;
    /* What is allowed, and what is done without being asked. */
    OtrlPolicy policy;
    /* Bytes of the longest line; 0 for no limit. */
    int mtu;
    /* Files. */
    char *keys;
    char *fingerprints;
    char *tags;
    /* Who waits for our secret, or NULL. libotr crashes if it gets one that nobody waits for. */
    ConnContext *asks;
    /* The message that is being read has no text. */
    bool without_text;
};

extern struct peer peer;

/* What libotr asks and tells, as lines on stdout. */
extern const OtrlMessageAppOps operations;

/* Bytes of `fingerprint=<40 hex> ssid=<16 hex>` and a NUL. */
#define WHO_LENGTH 75

/* With whom an encrypted conversation is, and which it is. */
void write_who(char words[WHO_LENGTH], const ConnContext *context);

/* Says an extra key of ours or theirs. */
void say_extra_key(unsigned int use, const unsigned char *data, size_t length, const unsigned char *key);

#endif
