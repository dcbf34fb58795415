#!/usr/bin/perl
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
use strict; use warnings; use POSIX qw(:sys_wait_h :signal_h setsid); use Socket; use File::Temp; use File::Find; use IO::Select;
$| = 1;
my @p = map { my $n = $_; my $pid = fork // die; if (!$pid) { exit $n } $pid } 1 .. 10;
my $sum = 0; for (@p) { waitpid $_, 0; $sum += $? >> 8 } print "sum $sum\n";
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
if (!fork) { close $a; my $l = <$b>; print $b uc $l; exit } close $b; print $a "hello\n"; $a->flush; print scalar <$a>; wait;
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; sleep 10; }; print $@;
local $SIG{CHLD} = sub { while ((my $k = waitpid -1, WNOHANG) > 0) { print "reaped ", $? >> 8, "\n" } };
if (!fork) { exit 4 } select undef, undef, undef, 0.3;
local $SIG{CHLD} = 'DEFAULT';
open my $in, '-|', 'sort -rn' , or 1; close $in;
open my $out, '|-', 'sort -n' or die; print $out "$_\n" for 3, 1, 2; close $out; print "closed $?\n";
my $t = File::Temp->new(DIR => '.'); print $t "x" x 100000; $t->flush; print -s $t->filename, "\n";
my $n = 0; find(sub { $n++ if /\.pm$/ }, '/usr/share/perl'); print $n > 0 ? "modules\n" : "none\n";
my %h; $h{$_ % 7}++ for 1 .. 1000; print join(',', map { "$_=$h{$_}" } sort keys %h), "\n";
print `echo backticks; exit 2`, $? >> 8, "\n"; system 'sh', '-c', 'kill -9 $$'; print $? & 127, "\n";
printf "%s %s\n", (stat '/etc/passwd')[2] & 0777, join '', map { chr(ord('a') + $_) } 0 .. 5;
pipe my $r, my $w; my $s = IO::Select->new($r); print scalar($s->can_read(0.05)), "\n"; syswrite $w, 'z'; print scalar($s->can_read(1)), "\n";
flock $t, 2 or die; seek $t, 0, 0; truncate $t, 5; print -s $t->filename, "\n"; die "end\n";
