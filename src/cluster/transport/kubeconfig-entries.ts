// SPDX-License-Identifier: Apache-2.0

/** Finds the entries of one context in one or more kubeconfigs, and refuses what is wrong with them, by place and without their values. */
import { readDocument } from "../../api/document.ts";
import type { Clock } from "../../runtime/clock.ts";
import { AppError, faultOf } from "../../runtime/errors.ts";
import { readUserFile } from "../../runtime/user-file.ts";
import { CLUSTER, CONFIG, CONTEXT, entryOf, USER } from "./kubeconfig-check.ts";
import { isPlain, type Plain, problemsIn, withoutEmpty } from "./kubeconfig-problems.ts";

/** A named entry of a list. */
export interface Entry {
  readonly name: string;
  /** Without fields that are empty. */
  readonly value: Plain;
  /** `users[admin].user` */
  readonly place: string;
  /** Of the file that it stands in. */
  readonly path: string;
}

export interface ChosenEntries {
  readonly context: Entry;
  readonly cluster: Entry;
  readonly user: Entry;
}

interface File {
  readonly path: string;
  readonly value: Plain;
}

/** The entries of `context`, or of the first current context that a file names. @throws CONFIG_INVALID with every problem of each of them */
export async function chooseEntries(paths: readonly string[], context: string | null, clock: Clock): Promise<ChosenEntries> {
  const files: File[] = [];
  for (const path of paths) files.push(await readConfig(path, clock));
  const wanted = context ?? files.map(({ value }) => value["current-context"]).find((name) => name !== undefined);
  if (typeof wanted !== "string") throw invalid(paths.join(", "), ["current-context: write the name of an entry of contexts"]);
  const chosen = entryIn(files, "context", wanted);
  refuse(chosen.path, problemsIn(CONTEXT, chosen.value, chosen.place));
  const cluster = entryIn(files, "cluster", String(chosen.value["cluster"]));
  const user = entryIn(files, "user", String(chosen.value["user"]));
  const problems = [...problemsIn(CLUSTER, cluster.value, cluster.place), ...problemsIn(USER, user.value, user.place)];
  refuse([...new Set([cluster.path, user.path])].join(", "), problems);
  return { context: chosen, cluster, user };
}

async function readConfig(path: string, clock: Clock): Promise<File> {
  let content: string;
  try {
    content = (await readUserFile(path, { clock })).text;
  } catch (thrown) {
    throw new AppError("CONFIG_INVALID", `cannot read kubeconfig ${path}: ${faultOf(thrown)}; name another with --kubeconfig or KUBECONFIG`, {
      details: { path },
      cause: thrown,
    });
  }
  const read = readDocument(content);
  // Places and fixes only: the lines themselves may hold secrets.
  if (!read.ok)
    throw invalid(
      path,
      read.problems.map((problem) => `${problem.path === "" ? "it is not readable" : problem.path}: ${problem.fix}`),
    );
  const value = withoutEmpty(read.value.value);
  if (!isPlain(value)) throw invalid(path, ["write a kubeconfig: a map with clusters, users and contexts"]);
  refuse(path, problemsIn(CONFIG, value, ""));
  return { path, value };
}

type Kind = keyof ChosenEntries;

function entryIn(files: readonly File[], kind: Kind, name: string): Entry {
  const place = `${kind}s[${name}]`;
  const found = files.flatMap(({ path, value }) => {
    const list = value[`${kind}s`];
    return (Array.isArray(list) ? list : []).filter((entry) => isPlain(entry) && entry["name"] === name).map((entry: Plain) => ({ path, entry }));
  });
  const [first, second] = found;
  if (first === undefined) throw invalid(files.map(({ path }) => path).join(", "), [`${kind}s has no entry named ${name}`]);
  const paths = [...new Set(found.map(({ path }) => path))].join(", ");
  if (second !== undefined) throw invalid(paths, [`${place}: remove all but one entry of this name: only one would have an effect`]);
  refuse(first.path, problemsIn(entryOf(kind), first.entry, place));
  const value = withoutEmpty(first.entry[kind] ?? {}) as Plain; // A map, as was just seen.
  return { name, value, place: `${place}.${kind}`, path: first.path };
}

function refuse(path: string, problems: readonly string[]): void {
  if (problems.length > 0) throw invalid(path, problems);
}

function invalid(path: string, problems: readonly string[]): AppError {
  return new AppError("CONFIG_INVALID", `kubeconfig ${path}: ${problems.join("\n")}`, { details: { path, problems: problems.length } });
}
