# Carries standard input to a socket and back; where it can't connect, the words behind the path are tried.
my ($path, $engine) = shift;
# By Linux's numbers of AF_UNIX and SOCK_STREAM: Socket.pm takes three times as long to load as this to start.
socket($engine, 1, 1, 0) && connect $engine, pack 'S a108', 1, $path or exec @ARGV or exit 127;
binmode $_ for *STDIN, *STDOUT, $engine;    # PERL_UNICODE may have made them text
$SIG{PIPE} = 'IGNORE';
sub carry {
    my ($from, $to) = @_;
    while (sysread $from, my $data, 65536) {
        for (my $done = 0; $done < length $data;) { $done += syswrite($to, $data, 65536, $done) || return }
    }
}
# A process for each direction: either may wait for its reader while the other goes on.
my $up = fork // exit 1;
if (!$up) { carry(*STDIN, $engine); shutdown $engine, 1; exit }
carry($engine, *STDOUT);
kill 'TERM', $up;
