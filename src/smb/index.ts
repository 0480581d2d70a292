/**
 * SMB 2 and 3: bytes of a connection to operations of the vfs, and back. `dispatch.ts` reads messages and compounds, `commands/` has a
 * file a command, `session/` who is logged in, `tree/` which shares he is connected to, `open/` which files are open, `crypto/`
 * keys and signatures. What a file operation means is decided in `vfs/`.
 */
export { createSmbAdapter, type SmbAdapter, type SmbAdapterOptions, type SmbHeld, type SmbListen, type SmbStats } from "./adapter.ts";
export { smbRequests } from "./watched.ts";
export { type SmbSettings, smbSettingDefaults } from "./settings.ts";
