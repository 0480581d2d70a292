import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { pathBytesMax } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { type Changer, changerOf } from "../access/permissions.ts";
import { invalid, nameTooLong, stale } from "../errors.ts";
import { madeBy, Operation, untilApplied } from "../operation.ts";
import type { FileOpens } from "../opens/file-opens.ts";
import type { OpenFile } from "../opens/open-file.ts";
import type { Share } from "../share.ts";
import { newInode, plainly } from "./make.ts";
import { removing } from "./remove.ts";

const sharing = FsError.of("sharing");
const notSupported = FsError.of("notSupported");

/**
 * Puts a symbolic link in the place of an empty file that nobody else has open: how a protocol makes one that first creates a file and then says
 * what it is to be. The file is an orphan from then on.
 */
export async function becomeLink(share: Share, who: Credentials, open: OpenFile, target: Uint8Array): Promise<Inode | FsError> {
  if (target.length === 0 || target.includes(0)) return invalid;
  if (target.length > pathBytesMax) return nameTooLong;
  return untilApplied((attempt) => tryTo(share, who, open, target.slice(), attempt));
}

async function tryTo(share: Share, who: Credentials, { file, place }: OpenFile, target: Uint8Array, attempt: number): Promise<Inode | FsError | null> {
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  if (place === null || place.parent < 0) return invalid;
  if ((await share.inodes.load(file.id)) === null || (await share.inodes.load(place.parent)) === null) return stale;
  // From here on nothing is waited for until it is held: what is seen of the file stays so.
  const old = share.inodes.hit(file.id);
  const directory = share.inodes.hit(place.parent);
  if (old === null || directory === null) return null;
  if (file.opens.length !== 1) return sharing;
  if (old.type !== FileType.regular || old.size !== 0 || old.links !== 1) return notSupported;
  const link = linkOf(share, changer, directory, old, target);
  const { parent, name } = place;
  const at = link.ctime;
  const operation = new Operation(
    [
      { is: "live", id: parent },
      { is: "direntRefersTo", parent, name, child: old.id },
      { is: "links", id: old.id, links: 1 },
      { is: "streamless", id: old.id },
    ],
    [
      { do: "deleteDirent", parent, name },
      { do: "addLinks", id: old.id, delta: -1, at },
      { do: "insertInode", inode: link },
      { do: "insertDirent", parent, name, child: link.id },
      { do: "touchDirectory", id: parent, at, linksDelta: 0 },
    ],
  );
  const touched = await holding(share, file, () => share.apply(changer, operation, attempt));
  if (touched === null || touched instanceof FsError) return touched;
  return madeBy(share, touched, link.id) ?? link;
}

/** Nobody opens the file or changes its content until it is decided whether it is replaced. */
async function holding<T>(share: Share, file: FileOpens, apply: () => Promise<T>): Promise<T> {
  file.replacing = true;
  try {
    return await removing(share, file.id, apply());
  } finally {
    file.replacing = false;
    file.changed();
  }
}

/** A link that is its file's in everything else. */
function linkOf(share: Share, who: Changer, directory: Inode, old: Inode, target: Uint8Array): Inode {
  const plan = { type: FileType.symlink, mode: 0o777, request: {}, verifier: null, target, major: 0, minor: 0, options: plainly };
  const { uid, gid, birth } = old;
  return newInode(share, who, directory, plan).with({ uid, gid, birth });
}
