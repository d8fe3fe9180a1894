// SPDX-License-Identifier: Apache-2.0

/** What an admin does about a stream that no `tsm/disconnect` ends. The last sentences of the advice on each reason that asks for one. */
export const STREAM_OF_NOBODY =
  "Where `tsm/connect` is empty (or there is no `tsm/`), no TSM of this kernel made the stream and `tsm/disconnect` cannot end it: let the firmware or the " +
  "program that made it end it, else reboot the host. A reset of the device (`echo 1 > reset`) switches off its half alone, and the root port's stays on.";
