# SPDX-License-Identifier: Apache-2.0
# Run in native/: make -f ../bench/native/list.mk BUILD=DIR DIR/list
# The addon's own objects and flags, without the parts that speak to JavaScript.
include Makefile

LIST_PARTS := addon/simulated.c addon/store.c addon/host-memory.c

$(BUILD)/list: ../bench/native/list.c $(LIST_PARTS:%.c=$(BUILD)/release/%.o) $(PORTABLE:%.c=$(BUILD)/release/portable/%.o)
	@$(CC) $(WARN) $(release_FLAGS) -pthread -I. $^ -o $@
