// SPDX-License-Identifier: Apache-2.0
/** A person who does what a refusal says gets on. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Journey, startJourney, TRUST_ALL } from "./journey.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/trusted-iommu", import.meta.url));

let journey: Journey;
beforeEach(() => {
  journey = startJourney();
});
afterEach(() => journey.end());

const at = (name: string): string => join(journey.folder, name);

/** Runs the command that a refusal has printed, with `HOST` for a description. */
async function follow(stderr: string): Promise<void> {
  const words = /trusted-iommu (simulate create .*)$/m.exec(stderr)?.[1]?.split(" ") ?? [];
  expect(words).not.toEqual([]);
  expect(await journey.run(...words.map((word) => (word === "HOST" ? "one-unit" : word)))).toMatchObject({ code: 0, stderr: "" });
}

describe("a simulated host", () => {
  it("that is not there is made by the command that the refusal prints, whichever command refused it", async () => {
    for (const [index, words] of [
      ["simulate", "show", "--root"],
      ["preflight", "--kubelet", "none", "--simulator"],
    ].entries()) {
      const folder = at(`sim${index}`);
      const refused = await journey.run(...words, folder);
      expect(refused.code).toBe(2);
      await follow(refused.stderr);
      expect(await journey.run(...words, folder)).toMatchObject({ code: 0, stderr: "" });
    }
  });

  it("cannot be made in the place of a file or of other files, and can in the folder that is asked for", async () => {
    writeFileSync(at("file"), "");
    for (const place of [at("file"), journey.folder, "/proc/none/sim"]) {
      const refused = await journey.run("simulate", "create", "--host", "one-unit", "--root", place);
      expect(refused).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/name a folder that is not there yet, an empty one, or one that simulate create made/),
      });
      expect(refused.stderr).not.toMatch(/unexpected error/);
    }
    mkdirSync(at("empty"));
    for (const place of [at("new"), at("empty"), at("new")])
      expect(await journey.run("simulate", "create", "--host", "one-unit", "--root", place)).toMatchObject({ code: 0 });
  });

  it("is made of each of the descriptions that a wrong name is answered with", async () => {
    const refused = await journey.run("simulate", "create", "--host", "nothing", "--root", at("sim"));
    expect(refused.code).toBe(2);
    const names = /comes with the project: (.*)$/m.exec(refused.stderr)?.[1]?.split(", ") ?? [];
    expect(names).toContain("one-unit");
    // The large one takes a minute.
    for (const name of names.filter((one) => one !== "large"))
      expect(await journey.run("simulate", "create", "--host", name, "--root", at("sim"))).toMatchObject({ code: 0 });
  });
});

describe("a working folder that is gone", () => {
  it("is named, and another one helps", () => {
    mkdirSync(at("gone"));
    const inGone = (script: string) => spawnSync("/bin/sh", ["-c", `cd "${at("gone")}" && rmdir "${at("gone")}"; ${script}`], { encoding: "utf8" });
    const refused = inGone(`"${PROGRAM}" --version`);
    expect(refused).toMatchObject({ status: 2, stdout: "" });
    const [, advice = ""] = /working folder is gone.*example: (.*)$/m.exec(refused.stderr) ?? [];
    expect(refused.stderr).not.toMatch(/^\s+at /m);
    mkdirSync(at("gone"));
    expect(inGone(`${advice} && "${PROGRAM}" --version`)).toMatchObject({ status: 0, stderr: "" });
    expect(() => rmdirSync(at("gone"))).toThrow(/ENOENT/);
  });
});

describe("an agent that is not told where its TrustedIommu is", () => {
  it("starts with either of the flags that the refusal names", async () => {
    const refused = await journey.run("explain", "0000:01:00.0");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/--manifest FILE.*--node NAME/) });
    await journey.simulate("create", "--host", "one-unit");
    journey.manifest(TRUST_ALL);
    const words = ["--simulator", journey.simulator, "--kubelet", "none"];
    expect(await journey.run("explain", "0000:01:00.0", "--manifest", at("node.yaml"), ...words)).toMatchObject({ code: 6, stderr: "" });
  });
});
