import type { Inode } from "#model/inode.ts";
import type { CreateContext, CreateRequest } from "#wire/smb2/create.ts";
import { aaplAnswer, aaplContext } from "../aapl/index.ts";
import type { Tree } from "../tree/tree.ts";
import { fileIdAnswer, fileIdContext } from "./file-id-context.ts";

/** Answers the create contexts that only ask: for ids, and Apple's. `owner`: of a stream the file it belongs to. */
export function answerOthers(tree: Tree, request: CreateRequest, owner: Inode, answers: CreateContext[]): void {
  for (const { name, data } of request.contexts) {
    if (name === fileIdContext) answers.push({ name, data: fileIdAnswer(tree, owner) });
    const apple = name === aaplContext ? aaplAnswer(tree, data) : null;
    if (apple !== null) answers.push({ name, data: apple });
  }
}
