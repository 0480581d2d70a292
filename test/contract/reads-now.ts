import fs from "node:fs";
import os from "node:os";

/** ext4, XFS, btrfs: file systems that are known to take RWF_NOWAIT; on others the ability answers false. */
const readNowTypes = [0xef53, 0x58465342, 0x9123683e];

/** Whether the filesystem store, in a temporary directory, reads what is cached at once. */
export const readsNow = process.platform === "linux" && readNowTypes.includes(fs.statfsSync(os.tmpdir()).type);
