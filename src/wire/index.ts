/**
 * Pure codecs: bytes to values and back, no I/O, no state between messages. Imports base alone, so encoders of our own nouns
 * (an Inode's attributes) live with the protocol. Decoders take their maxima from the caller and never throw on what a peer sent.
 */
export * from "./mount3.ts";
export * from "./nfs3.ts";
export * from "./portmap.ts";
export * from "./rpc.ts";
export * from "./xdr-reader.ts";
export * from "./xdr-writer.ts";
