/**
 * The nouns (ids, Inode, Dirent, Extent, Pack, Credentials, KnownUser, FsCode) and the ports (MetadataStore, BlockStore,
 * FileContent, Identity) that the layers share. No behaviour beyond construction; imports base alone.
 */
export * from "./acl.ts";
export * from "./block-store.ts";
export * from "./change-set.ts";
export * from "./credentials.ts";
export * from "./file-content.ts";
export * from "./file-handle.ts";
export * from "./fold.ts";
export * from "./fold-key.ts";
export * from "./fs-error.ts";
export * from "./history.ts";
export * from "./identity.ts";
export * from "./ids.ts";
export * from "./inode.ts";
export * from "./inode-flags.ts";
export * from "./metadata-store.ts";
export * from "./security-descriptor.ts";
