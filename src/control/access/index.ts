/** Users and groups: who may log in, who is in which group, and the numbers NFS knows them by. */
export { Directory } from "./directory.ts";
export { GroupService } from "./groups.ts";
export { passwordChange, UserService } from "./users.ts";
export { AccessViews } from "./views.ts";
