import { Encryption } from "#model/credentials.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";

/** Most bytes of a READ, a WRITE and any other answer: its bounds, and what it is unless told. */
export const transferBytesMax = 8 * 2 ** 20;
export const transferBytesMin = 64 * 1024;
export const transferBytesDefault = 2 ** 20;

/** What operators set, as it is for connections that begin now; those there are keep what they agreed on. */
export interface SmbSettings {
  readonly dialectMin: Dialect;
  readonly dialectMax: Dialect;
  /** Clients must sign what they don't encrypt. */
  readonly signingRequired: boolean;
  readonly encryption: Encryption;
  readonly transferBytesMax: number;
  /** smbtorture may have its connections answered unusually. */
  readonly testControls: boolean;
}

export const smbSettingDefaults: SmbSettings = {
  dialectMin: Dialect.SMB_2_0_2,
  dialectMax: Dialect.SMB_3_1_1,
  signingRequired: false,
  encryption: Encryption.off,
  transferBytesMax: transferBytesDefault,
  testControls: false,
};
