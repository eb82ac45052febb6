# bcryptprimitives.dll for Wine 8, which lacks it: Go programs take random bytes from it.
	.text
	.globl	ProcessPrng
ProcessPrng:			# rcx: the bytes, rdx: how many
	test	%rdx, %rdx
	jz	done
again:
	rdrand	%rax
	jnc	again
	mov	%al, (%rcx)
	inc	%rcx
	dec	%rdx
	jmp	ProcessPrng
	.globl	DllMain
DllMain:
done:
	mov	$1, %eax
	ret
	.section .drectve
	.ascii	" -export:ProcessPrng"
