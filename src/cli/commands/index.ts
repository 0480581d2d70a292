/** Every noun of the control plane with its verbs, in the order help and reference show them; those of the server's own process are added in `cli/program.ts`. */
import type { Noun, Verb } from "../remote/index.ts";
import { cancel as cancelJob, list as listJobs, show as showJob } from "./job/jobs.ts";
import { migrate } from "./store/migrate.ts";
import { scrub } from "./check/scrub.ts";
import { gc } from "./check/gc.ts";
import { fsck } from "./check/fsck.ts";
import { login } from "./account/login.ts";
import { logout } from "./account/logout.ts";
import { disable as disableAdapter } from "./adapter/disable.ts";
import { edit as editAdapter } from "./adapter/edit.ts";
import { enable as enableAdapter } from "./adapter/enable.ts";
import { remove as deleteAdapter } from "./adapter/delete.ts";
import { list as listAdapters } from "./adapter/list.ts";
import { resetSettings } from "./adapter/settings/reset.ts";
import { showSettings } from "./adapter/settings/show.ts";
import { updateSettings } from "./adapter/settings/update.ts";
import { show as showAdapter } from "./adapter/show.ts";
import { list as listAudit } from "./audit/list.ts";
import { backupControlPlane } from "./backup/backup.ts";
import { restoreControlPlane } from "./backup/restore.ts";
import { recover } from "./backup/recover.ts";
import { disconnect } from "./client/disconnect.ts";
import { list as listClients } from "./client/list.ts";
import { current as currentContext } from "./context/current.ts";
import { list as listContexts } from "./context/list.ts";
import { remove as removeContext } from "./context/remove.ts";
import { rename as renameContext } from "./context/rename.ts";
import { use as useContext } from "./context/use.ts";
import { doctor } from "./doctor/doctor.ts";
import { addUser } from "./group/add-user.ts";
import { create as createGroup } from "./group/create.ts";
import { remove as deleteGroup } from "./group/delete.ts";
import { edit as editGroup } from "./group/edit.ts";
import { list as listGroups } from "./group/list.ts";
import { removeUser } from "./group/remove-user.ts";
import { show as showGroup } from "./group/show.ts";
import { logs } from "./logs/logs.ts";
import { addMember } from "./netgroup/add-member.ts";
import { create as createNetgroup } from "./netgroup/create.ts";
import { list as listNetgroups } from "./netgroup/list.ts";
import { remove as removeNetgroup } from "./netgroup/remove.ts";
import { removeMember } from "./netgroup/remove-member.ts";
import { show as showNetgroup } from "./netgroup/show.ts";
import { profile } from "./profile/profile.ts";
import { status } from "./server/status.ts";
import { get as getSetting } from "./settings/get.ts";
import { list as listSettings } from "./settings/list.ts";
import { reset as resetSetting } from "./settings/reset.ts";
import { rotateSecret } from "./settings/rotate-secret.ts";
import { set as setSetting } from "./settings/set.ts";
import { accept as acceptShare } from "./share/accept.ts";
import { create as createShare } from "./share/create.ts";
import { remove as deleteShare } from "./share/delete.ts";
import { disable as disableShare } from "./share/disable.ts";
import { edit as editShare } from "./share/edit.ts";
import { enable as enableShare } from "./share/enable.ts";
import { evict } from "./share/evict.ts";
import { list as listShares } from "./share/list.ts";
import { mountInfo } from "./share/mount-info.ts";
import { mounts } from "./share/mounts.ts";
import { grant } from "./share/permission/grant.ts";
import { list as listGrants } from "./share/permission/list.ts";
import { revoke } from "./share/permission/revoke.ts";
import { show as showShare } from "./share/show.ts";
import { status as shareStatus } from "./share/status.ts";
import { warm } from "./share/warm.ts";
import { add as addStore } from "./store/add.ts";
import type { StoreKind } from "./store/config.ts";
import { remove as removeStore } from "./store/delete.ts";
import { newKey } from "./store/new-key.ts";
import { rotateKey } from "./store/rotate-key.ts";
import { edit as editStore } from "./store/edit.ts";
import { health as storeHealth } from "./store/health.ts";
import { list as listStores } from "./store/list.ts";
import { show as showStore } from "./store/show.ts";
import { drainUploads } from "./system/drain-uploads.ts";
import { top } from "./top/top.ts";
import { changePassword } from "./user/change-password.ts";
import { create as createUser } from "./user/create.ts";
import { remove as deleteUser } from "./user/delete.ts";
import { edit as editUser } from "./user/edit.ts";
import { list as listUsers } from "./user/list.ts";
import { password } from "./user/password.ts";
import { show as showUser } from "./user/show.ts";

const permission: Noun = {
  name: "permission",
  summary: "Who may do what on a share.",
  example: "dittofs share permission list /export",
  verbs: [grant, revoke, listGrants],
};

const stores = (kind: StoreKind, summary: string): Noun => ({
  name: kind,
  summary,
  example: `dittofs store ${kind} list`,
  verbs: [addStore(kind), listStores(kind), showStore(kind), editStore(kind), removeStore(kind), storeHealth(kind), ...(kind === "block" ? [newKey, rotateKey] : [])],
});

const adapterSettings: Noun = {
  name: "settings",
  summary: "What of an adapter can be set.",
  example: "dittofs adapter settings nfs show",
  verbs: [
    { name: "nfs", summary: "Settings of NFS.", example: "dittofs adapter settings nfs show", verbs: [showSettings("nfs"), updateSettings("nfs"), resetSettings("nfs")] },
    { name: "smb", summary: "Settings of SMB.", example: "dittofs adapter settings smb show", verbs: [showSettings("smb"), updateSettings("smb"), resetSettings("smb")] },
  ],
};

/** Of the server's own process. */
export const serverVerbs: readonly Verb[] = [status, top, logs, doctor];

export const nouns: readonly (Noun | Verb)[] = [
  login,
  logout,
  { name: "context", summary: "The servers one has logged in to.", example: "dittofs context list", verbs: [listContexts, useContext, renameContext, removeContext, currentContext] },
  { name: "user", summary: "Users: who may log in, and as which user id.", example: "dittofs user list", verbs: [createUser, listUsers, showUser, editUser, deleteUser, password, changePassword] },
  { name: "group", summary: "Groups of users.", example: "dittofs group list", verbs: [createGroup, listGroups, showGroup, editGroup, deleteGroup, addUser, removeUser] },
  { name: "share", summary: "Shares: the file trees clients mount.", example: "dittofs share list", verbs: [createShare, listShares, showShare, editShare, deleteShare, enableShare, disableShare, acceptShare, shareStatus, warm, evict, mounts, mountInfo, permission] },
  {
    name: "store",
    summary: "Stores: where shares keep names and content.",
    example: "dittofs store block list",
    verbs: [stores("metadata", "Stores of names, attributes and content maps."), stores("block", "Stores of file content."), migrate],
  },
  fsck,
  scrub,
  gc,
  { name: "job", summary: "Long work of the server: checks, moves.", example: "dittofs job list", verbs: [listJobs, showJob, cancelJob] },
  { name: "adapter", summary: "Adapters: the protocols that serve the shares.", example: "dittofs adapter list", verbs: [listAdapters, showAdapter, enableAdapter, disableAdapter, editAdapter, deleteAdapter, adapterSettings] },
  { name: "netgroup", summary: "Netgroups: clients under one name.", example: "dittofs netgroup list", verbs: [createNetgroup, listNetgroups, showNetgroup, removeNetgroup, addMember, removeMember] },
  { name: "client", summary: "Clients that are connected.", example: "dittofs client list", verbs: [listClients, disconnect] },
  { name: "settings", summary: "Settings of the server, changed while it runs.", example: "dittofs settings list", verbs: [listSettings, getSetting, setSetting, resetSetting, rotateSecret] },
  { name: "audit", summary: "Who changed what.", example: "dittofs audit list", verbs: [listAudit] },
  { name: "system", summary: "The server as a whole.", example: "dittofs system drain-uploads", verbs: [drainUploads] },
  profile,
  { name: "backup", summary: "Copies of the control plane.", example: "dittofs backup controlplane", verbs: [backupControlPlane] },
  { name: "restore", summary: "Bring copies back.", example: "dittofs restore controlplane --input /backup/controlplane.db", verbs: [restoreControlPlane] },
  recover,
];
