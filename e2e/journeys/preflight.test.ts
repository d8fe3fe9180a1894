// SPDX-License-Identifier: Apache-2.0
/** `preflight` on the machine that the tests run on, and on a simulated host. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Journey, startJourney } from "./journey.ts";

interface Answer {
  readonly ready: boolean;
  readonly simulated: boolean;
  readonly requirements: readonly { readonly name: string; readonly state: string; readonly found: string; readonly fix: string }[];
}

const NAMES = ["cpu", "kernel", "iommufd", "units", "driver", "module", "rights", "devices", "vfio", "tsm", "kubelet", "podresources", "cdi"];

let journey: Journey;
beforeEach(() => {
  journey = startJourney();
});
afterEach(() => journey.end());

it("says of this machine, which need not have anything, what is there and what to do about the rest", async () => {
  const { code, stdout, stderr } = await journey.run("preflight", "--output", "json");
  const answer = JSON.parse(stdout) as Answer;
  expect(stderr).toBe("");
  expect(answer.simulated).toBe(false);
  expect(answer.requirements.map(({ name }) => name)).toEqual(NAMES);
  expect(code).toBe(answer.ready ? 0 : 6);
  for (const { state, fix } of answer.requirements) expect(fix !== "").toBe(state === "Missing" || state === "Unknown");
});

it("finds all on a simulated host with TDX Connect, and the units missing on one without", async () => {
  await journey.simulate("create", "--host", "hosts/one-unit.yaml");
  const ready = await journey.run("preflight", "--simulator", journey.simulator, "--kubelet", "none");
  expect(ready).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/^SIMULATED.*all \d+ requirements are met\n$/s) });
  const withKubelet = await journey.run("preflight", "--simulator", journey.simulator, "--kubelet-dir", journey.folder);
  expect(withKubelet).toMatchObject({ code: 6, stdout: expect.stringContaining("not met: kubelet, podresources") });
  await journey.simulate("create", "--host", "hosts/sapphire-rapids-2s.yaml");
  const old = await journey.run("preflight", "--simulator", journey.simulator, "--kubelet", "none", "--output", "json");
  expect(old.code).toBe(6);
  const open = (JSON.parse(old.stdout) as Answer).requirements.filter(({ fix }) => fix !== "");
  expect(open.map(({ name }) => name)).toEqual(["units", "devices"]);
});

it("refuses a simulated host that is not there as a wrong flag", async () => {
  expect(await journey.run("preflight", "--simulator", "/nowhere")).toMatchObject({ code: 2, stderr: expect.stringContaining("simulate create") });
});
