import { StoreFailedError } from "#model/block-store.ts";

/** Metadata that cannot be opened or used; the message says what is the matter and what to do. */
export class MetadataStoreError extends StoreFailedError {
  override readonly name = "MetadataStoreError";
}

/** Another server has the share, and goes on with what it has. */
export class MetadataTakenError extends MetadataStoreError {}
