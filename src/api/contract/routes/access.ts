import { object, listOf, listQuery, route } from "../route.ts";
import * as s from "../schemas.ts";
import { Type } from "@sinclair/typebox";

const tag = "Log-in";

export const auth = {
  login: route("POST /api/v1/auth/login", { tag, summary: "Log in with name and password.", role: "anyone", errors: ["wrong_credentials", "too_many_attempts", "busy"], example: { username: "admin", password: "correct horse" } }, { body: s.Login, reply: s.Tokens }),
  refresh: route("POST /api/v1/auth/refresh", { tag, summary: "Exchange a refresh token for new tokens; it is good once.", role: "anyone", errors: ["invalid_token", "token_expired"], example: { refresh_token: "…" } }, { body: s.Refresh, reply: s.Tokens }),
  logout: route("POST /api/v1/auth/logout", { tag, summary: "End this session.", role: "user", beforePasswordChange: true }),
  me: route("GET /api/v1/auth/me", { tag, summary: "Who the token is of.", role: "user", beforePasswordChange: true }, { reply: s.User }),
};

const named = object({ username: s.Name });

export const users = {
  list: route("GET /api/v1/users", { tag: "Users", summary: "List users.", role: "operator" }, { query: listQuery(["username", "uid", "role", "created_at"], { role: Type.Optional(s.Role), enabled: Type.Optional(Type.Boolean()), search: Type.Optional(s.searchText(64)) }), reply: listOf(s.User) }),
  create: route("POST /api/v1/users", { tag: "Users", summary: "Create a user.", role: "admin", status: 201, errors: ["already_exists", "invalid_value", "not_found", "busy"], example: { username: "alice", password: "correct horse", uid: 1000, gid: 1000, groups: ["staff"] } }, { body: s.NewUser, reply: s.User }),
  show: route("GET /api/v1/users/{username}", { tag: "Users", summary: "Show a user.", role: "operator", self: "username", errors: ["not_found"] }, { params: named, reply: s.User }),
  edit: route("PUT /api/v1/users/{username}", { tag: "Users", summary: "Change a user; what is left out stays.", role: "admin", errors: ["not_found", "already_exists", "invalid_value", "conflict"], example: { email: "alice@example.com" } }, { params: named, body: s.UserChange, reply: s.User }),
  delete: route("DELETE /api/v1/users/{username}", { tag: "Users", summary: "Delete a user, with their grants and sessions.", role: "admin", errors: ["not_found", "conflict"] }, { params: named }),
  setPassword: route("POST /api/v1/users/{username}/password", { tag: "Users", summary: "Set a user's password and end their sessions.", role: "admin", errors: ["not_found", "invalid_value", "busy"], example: { new_password: "correct horse" } }, { params: named, body: s.NewPassword }),
  changeOwnPassword: route("POST /api/v1/users/me/password", { tag: "Users", summary: "Change one's own password; other sessions end.", role: "user", beforePasswordChange: true, errors: ["wrong_credentials", "invalid_value", "too_many_attempts", "busy"], example: { current_password: "old one", new_password: "correct horse" } }, { body: s.PasswordChange, reply: s.Tokens }),
};

const group = object({ name: s.Name });

export const groups = {
  list: route("GET /api/v1/groups", { tag: "Groups", summary: "List groups.", role: "operator" }, { query: listQuery(["name", "gid", "created_at"], { search: Type.Optional(s.searchText(64)) }), reply: listOf(s.Group) }),
  create: route("POST /api/v1/groups", { tag: "Groups", summary: "Create a group.", role: "admin", status: 201, errors: ["already_exists", "invalid_value"], example: { name: "staff", gid: 2000 } }, { body: s.NewGroup, reply: s.Group }),
  show: route("GET /api/v1/groups/{name}", { tag: "Groups", summary: "Show a group.", role: "operator", errors: ["not_found"] }, { params: group, reply: s.Group }),
  edit: route("PUT /api/v1/groups/{name}", { tag: "Groups", summary: "Change a group; what is left out stays.", role: "admin", errors: ["not_found", "already_exists", "invalid_value"], example: { description: "All who work here" } }, { params: group, body: s.GroupChange, reply: s.Group }),
  delete: route("DELETE /api/v1/groups/{name}", { tag: "Groups", summary: "Delete a group, with its grants.", role: "admin", errors: ["not_found"] }, { params: group }),
  members: route("GET /api/v1/groups/{name}/members", { tag: "Groups", summary: "List a group's members.", role: "operator", errors: ["not_found"] }, { params: group, query: listQuery(["username"], {}), reply: listOf(s.User) }),
  addMember: route("POST /api/v1/groups/{name}/members", { tag: "Groups", summary: "Put a user into a group.", role: "admin", errors: ["not_found", "already_exists"], example: { username: "alice" } }, { params: group, body: s.Member }),
  removeMember: route("DELETE /api/v1/groups/{name}/members/{username}", { tag: "Groups", summary: "Take a user out of a group.", role: "admin", errors: ["not_found"] }, { params: object({ name: s.Name, username: s.Name }) }),
};
