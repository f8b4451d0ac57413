# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# The tags of C++'s exceptions and of longjmp. Compilers leave them to libraries that Debian does not build. A file of
# its own, because as a part of C the linker takes them for functions when it compiles everything at once.
	.globl	__cpp_exception
	.tagtype	__cpp_exception i32
__cpp_exception:

	.globl	__c_longjmp
	.tagtype	__c_longjmp i32
__c_longjmp:
