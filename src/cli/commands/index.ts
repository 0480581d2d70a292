/** Every noun of the control plane with its verbs, in the order help and reference show them; those of the server's own process are added in `cli/index.ts`. */
import type { Noun, Verb } from "../remote/index.ts";
import { login } from "./account/login.ts";
import { logout } from "./account/logout.ts";
import { addUser } from "./group/add-user.ts";
import { create as createGroup } from "./group/create.ts";
import { remove as deleteGroup } from "./group/delete.ts";
import { edit as editGroup } from "./group/edit.ts";
import { list as listGroups } from "./group/list.ts";
import { removeUser } from "./group/remove-user.ts";
import { show as showGroup } from "./group/show.ts";
import { create as createShare } from "./share/create.ts";
import { remove as deleteShare } from "./share/delete.ts";
import { disable as disableShare } from "./share/disable.ts";
import { edit as editShare } from "./share/edit.ts";
import { enable as enableShare } from "./share/enable.ts";
import { list as listShares } from "./share/list.ts";
import { mountInfo } from "./share/mount-info.ts";
import { mounts } from "./share/mounts.ts";
import { grant } from "./share/permission/grant.ts";
import { list as listGrants } from "./share/permission/list.ts";
import { revoke } from "./share/permission/revoke.ts";
import { show as showShare } from "./share/show.ts";
import { status as shareStatus } from "./share/status.ts";
import { add as addStore } from "./store/add.ts";
import type { StoreKind } from "./store/config.ts";
import { remove as removeStore } from "./store/delete.ts";
import { edit as editStore } from "./store/edit.ts";
import { health as storeHealth } from "./store/health.ts";
import { list as listStores } from "./store/list.ts";
import { show as showStore } from "./store/show.ts";
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
  verbs: [addStore(kind), listStores(kind), showStore(kind), editStore(kind), removeStore(kind), storeHealth(kind)],
});

export const nouns: readonly (Noun | Verb)[] = [
  login,
  logout,
  { name: "user", summary: "Users: who may log in, and as which user id.", example: "dittofs user list", verbs: [createUser, listUsers, showUser, editUser, deleteUser, password, changePassword] },
  { name: "group", summary: "Groups of users.", example: "dittofs group list", verbs: [createGroup, listGroups, showGroup, editGroup, deleteGroup, addUser, removeUser] },
  { name: "share", summary: "Shares: the file trees clients mount.", example: "dittofs share list", verbs: [createShare, listShares, showShare, editShare, deleteShare, enableShare, disableShare, shareStatus, mounts, mountInfo, permission] },
  {
    name: "store",
    summary: "Stores: where shares keep names and content.",
    example: "dittofs store block list",
    verbs: [stores("metadata", "Stores of names, attributes and content maps."), stores("block", "Stores of file content.")],
  },
];
