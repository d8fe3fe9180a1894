// SPDX-License-Identifier: Apache-2.0

/** The answer for one device: every course of it that the log has. Pure. */
import type { Course, OrderVerdict } from "./course.ts";
import type { Story } from "./story.ts";
import { createWalk, type Walk } from "./walk.ts";

export interface Order {
  readonly verdict: OrderVerdict;
  /** Why it is not held; empty when it is. */
  readonly why: string;
  readonly courses: readonly Course[];
}

/** Violated when any course was; else as the newest one. */
export function orderOf(story: Story): Order {
  const courses = coursesOf(story);
  const newest = courses.at(-1);
  if (newest === undefined) return { verdict: "unproven", why: "no line says that it was offered or allocated", courses };
  const decisive = courses.findLast(({ verdict }) => verdict === "violated") ?? newest;
  return { verdict: decisive.verdict, why: decisive.findings.find(({ verdict }) => verdict === decisive.verdict)?.why ?? "", courses };
}

function coursesOf(story: Story): readonly Course[] {
  const courses: Course[] = [];
  let walk: Walk | null = null;
  const end = (): void => {
    if (walk !== null) courses.push(...walk.courses());
  };
  let boot: string | null = null;
  for (const line of story.lines) {
    if (line.boot !== boot) {
      // Nothing of an earlier boot goes on: its courses ended with it.
      end();
      walk = createWalk(story.address);
      boot = line.boot;
    }
    walk?.take(line);
  }
  end();
  return courses;
}
